import { type AppError, invalid } from '../errors.ts'
import type { Slot } from '../ghl/calendars.ts'
import { chronological, parseWhen } from '../time.ts'
import { nearest, notAvailable } from './offers.ts'

/** A time that somebody wants. */
export interface Wish {
  /** The instants it may mean; none where the clocks jump over it. */
  instants: readonly Temporal.Instant[]
  near: Temporal.Instant
  day: Temporal.PlainDate
}

/** Reads RFC 3339 or a wall time in `zone`. @throws AppError INVALID_INPUT naming `field` */
export function readWish(text: string, zone: string, field: string): Wish {
  const when = parseWhen(text, zone)
  if (when.kind === 'unreadable') {
    throw invalid(field, `${field} must be a date and time such as 2026-08-21T09:00.`)
  }
  if (when.kind === 'skipped') {
    const wall = Temporal.PlainDateTime.from(text.trim()).toZonedDateTime(zone)
    return { instants: [], near: wall.toInstant(), day: when.date }
  }
  const [near] = when.instants
  return { instants: when.instants, near, day: near.toZonedDateTimeISO(zone).toPlainDate() }
}

/** The slot that is wanted, if it is offered. */
export function slotOf(wish: Wish, slots: readonly Slot[]): Slot | undefined {
  return slots.find(({ at }) => wish.instants.some((instant) => chronological(instant, at) === 0))
}

/** Why the wish cannot be met, with the free times nearest to it. */
export function refusal(wish: Wish, slots: readonly Slot[], now: Temporal.Instant, zone: string): AppError {
  const past = [wish.near, ...wish.instants].every((at) => chronological(at, now) <= 0)
  return notAvailable(reasonOf(wish, past), nearest(slots, past ? now : wish.near), zone)
}

function reasonOf({ instants }: Wish, past: boolean): string {
  if (past) return 'That time has passed.'
  return instants.length === 0
    ? 'That time does not exist on that day, because the clocks go forward.'
    : 'That time is not free.'
}

/** When an appointment at `slot` ends, in the notation of GHL; undefined leaves it to the calendar. */
export function endOf(slot: Slot, minutes: number | undefined, zone: string): string | undefined {
  return minutes === undefined ? undefined : wallTime(slot.at.add({ minutes }), zone)
}

/** RFC 3339 with the offset that holds in `zone`. */
export function wallTime(at: Temporal.Instant, zone: string): string {
  return at.toZonedDateTimeISO(zone).toString({ timeZoneName: 'never', smallestUnit: 'second' })
}
