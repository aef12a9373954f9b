import { record, text } from '../json.ts'
import { isZone } from '../time.ts'
import { type GhlScope, type GhlSend, VERSION } from './transport.ts'

/** What a location says about itself. */
export interface LocationFacts {
  readonly id: string | undefined
  readonly name: string | undefined
  /** IANA zone; undefined if it names none that exists. */
  readonly timezone: string | undefined
}

/** What is to be known of a calendar before it is relied on. */
export interface CalendarState {
  readonly name: string | undefined
  readonly locationId: string | undefined
  /** One that is not active offers and takes no times. */
  readonly active: boolean
}

/** Reads of one client's account that tell whether it is set up: each needs one scope of the token, none changes anything. */
export function createInspection(send: GhlSend, scope: GhlScope) {
  return {
    /** Scope locations.readonly. */
    async location(): Promise<LocationFacts> {
      const path = `/locations/${encodeURIComponent(scope.locationId)}`
      const location = record((await send({ method: 'GET', path, version: VERSION.contacts })).location)
      const zone = location.timezone ?? record(location.business).timezone
      return { id: text(location.id), name: text(location.name), timezone: isZone(zone) ? zone : undefined }
    },

    /** Scope calendars.readonly. As it is now, where `calendars.facts` may be some minutes old. */
    async calendar(): Promise<CalendarState> {
      const path = `/calendars/${encodeURIComponent(scope.calendarId ?? '')}`
      const answer = await send({ method: 'GET', path, version: VERSION.calendars })
      const calendar = record(answer.calendar, answer)
      return {
        name: text(calendar.name),
        locationId: text(calendar.locationId),
        active: calendar.isActive !== false,
      }
    },

    /** Scope conversations.readonly: whether messages can be read. */
    async conversations(): Promise<void> {
      const query = { locationId: scope.locationId, limit: 1 }
      await send({ method: 'GET', path: '/conversations/search', query, version: VERSION.calendars })
    },
  }
}
