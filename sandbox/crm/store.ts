import { randomInt } from 'node:crypto'
import type {
  CalendarState,
  LedgerEntry,
  LedgerKind,
  LocationState,
  SandboxAppointment,
  SandboxContact,
} from './records.ts'
import type { LocationSeed } from './seeds.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** 20 letters and digits, the form of GoHighLevel's ids. */
export const newId = (): string =>
  Array.from({ length: 20 }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('')

/**
 * All that the sandbox remembers. Ids are looked up across locations on purpose: an object of another location must
 * be told apart from one that does not exist. Handlers write without awaiting in between, so each write is atomic.
 */
export function createStore(now: () => Temporal.Instant) {
  const locations = new Map<string, LocationState>()
  const byToken = new Map<string, LocationState>()
  const calendars = new Map<string, CalendarState>()
  const contacts = new Map<string, SandboxContact>()
  const appointments = new Map<string, SandboxAppointment>()
  const ledger: LedgerEntry[] = []

  return {
    locations,
    byToken,
    calendars,
    contacts,
    appointments,
    ledger: ledger as readonly LedgerEntry[],

    /** ISO 8601 in UTC. */
    timestamp: (): string => now().round('millisecond').toString({ smallestUnit: 'millisecond' }),

    addLocation(seed: LocationSeed): void {
      if (locations.has(seed.id)) throw new Error(`the sandbox already has a location ${seed.id}`)
      if (byToken.has(seed.token)) throw new Error('the sandbox already has a location with this token')
      for (const each of seed.calendars ?? []) {
        if (calendars.has(each.id)) throw new Error(`the sandbox already has a calendar ${each.id}`)
      }
      const location: LocationState = {
        id: seed.id,
        token: seed.token,
        name: seed.name ?? seed.id,
        timezone: seed.timezone,
        allowDuplicateContacts: seed.allowDuplicateContacts ?? false,
        calendars: (seed.calendars ?? []).map((each) => ({
          ...each,
          name: each.name ?? each.id,
          locationId: seed.id,
          timezone: each.timezone ?? seed.timezone,
          groupId: newId(),
          teamUserIds: each.teamUserIds ?? [],
          bookings: new Map(),
        })),
        contacts: [],
        appointments: [],
      }
      locations.set(location.id, location)
      byToken.set(location.token, location)
      for (const calendar of location.calendars) calendars.set(calendar.id, calendar)
    },

    commit(locationId: string, kind: LedgerKind, id: string, data: unknown): void {
      ledger.push({ at: now().toString(), locationId, kind, id, data: structuredClone(data) })
    },
  }
}

export type Store = ReturnType<typeof createStore>
