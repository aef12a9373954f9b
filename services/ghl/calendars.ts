import type { LRUCache } from 'lru-cache'
import { chronological, startOfDay, toInstant } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import { type GhlScope, type GhlSend, VERSION } from './transport.ts'

/** A time the calendar offers. */
export interface Slot {
  /** Exactly as GHL wrote it: rewritten, even to the same instant in UTC, GHL has been seen to refuse it. */
  readonly start: string
  readonly at: Temporal.Instant
}

export interface Appointment {
  id: string
  contactId: string | undefined
  /** As GHL wrote it. */
  startTime: string
  endTime?: string | undefined
  title?: string
  status?: string
}

export interface NewAppointment {
  contactId: string
  /** The slot as it was offered. */
  slot: Slot
  endTime: string | undefined
  title: string
  notes?: string | undefined
  /** Who of the calendar's team it is with; only where the calendar wants one. */
  userId?: string | undefined
}

/** What a calendar says about itself. */
export interface CalendarFacts {
  /** Length of an appointment in minutes; undefined if it does not say. */
  readonly slotMinutes: number | undefined
  readonly teamUserIds: readonly string[]
}

/** GHL answers 422 to more than 31 days; a piece of 30 stays below that when clocks go back in it. */
const PIECE_DAYS = 30

/** The calendar of one client. Callers make sure that it has one. `known` holds the settings of all calendars. */
export function createCalendars(send: GhlSend, scope: GhlScope, known: LRUCache<string, CalendarFacts>) {
  const version = VERSION.calendars
  const calendarId = scope.calendarId ?? ''
  const path = `/calendars/${encodeURIComponent(calendarId)}`

  /** Free times of at most 30 days. */
  async function piece(from: Temporal.PlainDate, to: Temporal.PlainDate, zone: string): Promise<Slot[]> {
    const answer = await send({
      method: 'GET',
      path: `${path}/free-slots`,
      query: {
        startDate: startOfDay(from, zone).epochMilliseconds,
        endDate: startOfDay(to.add({ days: 1 }), zone).epochMilliseconds - 1,
        timezone: zone,
      },
      version,
    })
    return readSlots(answer)
  }

  return {
    /** Free times from one day to another, both included, in order. Days begin and end in `zone`. */
    async freeSlots(from: Temporal.PlainDate, to: Temporal.PlainDate, zone: string): Promise<Slot[]> {
      const pieces: Promise<Slot[]>[] = []
      for (let day = from; Temporal.PlainDate.compare(day, to) <= 0; day = day.add({ days: PIECE_DAYS })) {
        const last = day.add({ days: PIECE_DAYS - 1 })
        pieces.push(piece(day, Temporal.PlainDate.compare(last, to) < 0 ? last : to, zone))
      }
      const slots = (await Promise.all(pieces)).flat()
      return slots.sort((a, b) => chronological(a.at, b.at))
    },

    /** The calendar's own settings, which may be five minutes old. */
    async facts(): Promise<CalendarFacts> {
      const key = JSON.stringify([scope.clientId, scope.locationId, calendarId])
      const facts = known.get(key) ?? readFacts(await send({ method: 'GET', path, version }))
      known.set(key, facts)
      return facts
    },

    /** Books a slot. @throws UpstreamError with status 400 if it has been taken meanwhile. */
    async book({ contactId, slot, endTime, title, notes, userId }: NewAppointment): Promise<Appointment> {
      const answer = await send({
        method: 'POST',
        path: '/calendars/events/appointments',
        body: {
          calendarId,
          locationId: scope.locationId,
          contactId,
          startTime: slot.start,
          ...(endTime && { endTime }),
          title,
          ...(notes && { description: notes }),
          ...(userId && { assignedUserId: userId }),
          appointmentStatus: 'confirmed',
          toNotify: true,
        },
        version,
      })
      const appointment = readAppointment(answer)
      if (!appointment)
        throw new UpstreamError('POST /calendars/events/appointments', 'no id in the answer', {
          outcome: 'unknown',
        })
      return appointment
    },

    /** What stands in the calendar from one instant until before another. */
    async events(from: Temporal.Instant, until: Temporal.Instant): Promise<Appointment[]> {
      const answer = await send({
        method: 'GET',
        path: '/calendars/events',
        query: {
          locationId: scope.locationId,
          calendarId,
          startTime: from.epochMilliseconds,
          endTime: until.epochMilliseconds,
        },
        version,
      })
      return Array.isArray(answer.events)
        ? answer.events.flatMap((event) => readAppointment(event) ?? [])
        : []
    },
  }
}

function readFacts(answer: Record<string, unknown>): CalendarFacts {
  const calendar = (answer.calendar ?? answer) as Record<string, unknown>
  const duration = Number(calendar.slotDuration)
  const minutes = calendar.slotDurationUnit === 'hours' ? duration * 60 : duration
  const team = Array.isArray(calendar.teamMembers) ? calendar.teamMembers : []
  return Object.freeze({
    slotMinutes: Number.isFinite(minutes) && minutes > 0 ? Math.round(minutes) : undefined,
    teamUserIds: Object.freeze(
      team.flatMap((member: { userId?: unknown } | null) =>
        typeof member?.userId === 'string' && member.userId ? member.userId : [],
      ),
    ),
  })
}

/** `{ "2026-08-21": { slots: [...] }, traceId }`; days without slots are absent. */
function readSlots(answer: Record<string, unknown>): Slot[] {
  return Object.values(answer).flatMap((day) => {
    const slots = (day as { slots?: unknown } | null)?.slots
    if (!Array.isArray(slots)) return []
    return slots.flatMap((start) => {
      const at = toInstant(start)
      return typeof start === 'string' && at ? { start, at } : []
    })
  })
}

function readAppointment(value: unknown): Appointment | undefined {
  const outer = value as Record<string, unknown> | null
  const given = (outer?.appointment ?? outer?.event ?? outer) as Record<string, unknown> | null
  if (typeof given?.id !== 'string' || !given.id) return undefined
  const optional = (field: string) => (typeof given[field] === 'string' ? { [field]: given[field] } : {})
  return {
    id: given.id,
    contactId: typeof given.contactId === 'string' ? given.contactId : undefined,
    startTime: String(given.startTime ?? ''),
    ...optional('endTime'),
    ...optional('title'),
    ...(typeof given.appointmentStatus === 'string' && { status: given.appointmentStatus }),
  }
}
