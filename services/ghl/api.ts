import { createLru } from '../lru.ts'
import { createAppointments } from './appointments.ts'
import { type CalendarFacts, createCalendars } from './calendars.ts'
import { createContacts, type Identified } from './contacts.ts'
import { createConversations } from './conversations.ts'
import { createInspection } from './inspection.ts'
import { createTasks } from './tasks.ts'
import { createTransport, type GhlOptions, type GhlScope } from './transport.ts'

/** How long a calendar's settings are taken for true: they change when somebody edits the calendar. */
const CALENDAR_TTL_MS = 300_000
const CALENDARS_MAX = 10_000

/**
 * The GHL api. `forClient` binds it to one client's account: what holds the result can reach no other.
 * Everything throws UpstreamError.
 */
export function createGhlApi(options: GhlOptions) {
  const transport = createTransport(options)
  // Shared by all accounts, so every key holds the client's id: nobody else sees anything of it. Tokens change.
  const searches = new Map<string, Promise<Identified>>()
  const calendars = createLru<CalendarFacts>(CALENDARS_MAX, { ttl: CALENDAR_TTL_MS })
  return {
    forClient(scope: GhlScope) {
      const send = transport(scope)
      return {
        contacts: createContacts(send, scope, searches),
        calendars: createCalendars(send, scope, calendars),
        appointments: createAppointments(send, scope),
        conversations: createConversations(send, scope),
        inspection: createInspection(send, scope),
        tasks: createTasks(send, scope),
      }
    },
  }
}

export type GhlApi = ReturnType<typeof createGhlApi>
/** GHL as seen from one client's account. */
export type GhlAccount = ReturnType<GhlApi['forClient']>
