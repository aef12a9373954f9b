import { randomUUID } from 'node:crypto'
import type { ToolRepository } from './repository.ts'

/** Longer than a tool may run, so that a hold never ends under a booking that is under way. */
const HOLD_SECONDS = 15
/** A request that nobody waits for any more has reached the CRM by then, or never will. */
const SETTLE_SECONDS = 3

export type Hold =
  | {
      mine: true
      /** The appointment stands: the hold stays until it expires by itself. */
      booked(appointmentId: string): Promise<void>
      /** Nothing was booked. */
      release(): Promise<void>
      /** Nobody knows: the appointment may yet appear, so the hold stays a little. */
      uncertain(): Promise<void>
    }
  | {
      mine: false
      /** The contact that has it; undefined if its hold was made or ended at this very moment. */
      by: string | undefined
    }

/** Holds on the slots of one calendar. They never reject. */
export interface SlotHolds {
  take(startAt: Temporal.Instant, contactId: string): Promise<Hold>
}

export interface HoldsOptions {
  /** Undefined: there is no database to hold anything in. Never rejects. */
  repository: Promise<Pick<ToolRepository, 'hold' | 'booked' | 'release' | 'shorten'> | undefined>
  clientId: string
  calendarId: string | undefined
  log: { warn(facts: object, message: string): void }
}

/** Without database every slot is given out, and the CRM's own check of free slots decides alone. */
const UNHELD: Hold = Object.freeze({
  mine: true,
  booked: async () => {},
  release: async () => {},
  uncertain: async () => {},
})

/** Local holds on slots, bound to one client's calendar. */
export function createHolds({ repository: opened, clientId, calendarId, log }: HoldsOptions): SlotHolds {
  const failed = (error: unknown) => log.warn({ client: clientId, err: error }, 'a slot could not be held')
  return {
    async take(startAt, contactId) {
      const repository = await opened
      if (!repository || !calendarId) return UNHELD
      const key = { clientId, calendarId, startAt }
      const owner = randomUUID()
      try {
        const held = await repository.hold(key, contactId, owner, HOLD_SECONDS)
        if (!held.mine) return { mine: false, by: held.contactId ?? undefined }
      } catch (error) {
        failed(error)
        return UNHELD
      }
      return {
        mine: true,
        booked: (appointmentId) => repository.booked(key, owner, appointmentId).catch(failed),
        release: () => repository.release(key, owner).catch(failed),
        uncertain: () => repository.shorten(key, owner, SETTLE_SECONDS).catch(failed),
      }
    },
  }
}
