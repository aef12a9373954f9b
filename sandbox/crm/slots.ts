import type { CalendarSeed } from './seeds.ts'

/** What is taken on a calendar, from start up to but not including end. */
export interface Booking {
  start: Temporal.Instant
  end: Temporal.Instant
}

export type SlotCalendar = Pick<CalendarSeed, 'slotMinutes' | 'openHours' | 'minNoticeMinutes'> & {
  timezone: string
}

const MIDNIGHT = Temporal.PlainTime.from('00:00')

/**
 * The instant of a wall time on a day. A wall time the clocks jump over stands for the moment of the jump; one that
 * comes twice is the first for an opening and the second for a closing, so that the repeated hour is open.
 */
function wallInstant(day: Temporal.PlainDate, time: string, zone: string, edge: 'open' | 'close') {
  const plain =
    time === '24:00'
      ? day.add({ days: 1 }).toPlainDateTime(MIDNIGHT)
      : day.toPlainDateTime(Temporal.PlainTime.from(time))
  const earlier = plain.toZonedDateTime(zone, { disambiguation: 'earlier' })
  const later = plain.toZonedDateTime(zone, { disambiguation: 'later' })
  if (earlier.toPlainDateTime().equals(plain)) return (edge === 'open' ? earlier : later).toInstant()
  return (earlier.getTimeZoneTransition('next') ?? later).toInstant()
}

/** Every slot start of the opening hours in [from, to), whether taken or not, in order. */
function openStarts(calendar: SlotCalendar, from: Temporal.Instant, to: Temporal.Instant) {
  const starts = new Map<bigint, Temporal.Instant>()
  const last = to.toZonedDateTimeISO(calendar.timezone).toPlainDate()
  // A day's opening may have begun on the day before `from` only with hours past midnight, which seeds cannot say.
  let day = from.toZonedDateTimeISO(calendar.timezone).toPlainDate()
  for (; Temporal.PlainDate.compare(day, last) <= 0; day = day.add({ days: 1 })) {
    for (const hours of calendar.openHours) {
      if (!hours.days.includes(day.dayOfWeek)) continue
      const closes = wallInstant(day, hours.to, calendar.timezone, 'close')
      let start = wallInstant(day, hours.from, calendar.timezone, 'open')
      for (;;) {
        const end = start.add({ minutes: calendar.slotMinutes })
        if (Temporal.Instant.compare(end, closes) > 0) break
        const wanted = Temporal.Instant.compare(start, from) >= 0 && Temporal.Instant.compare(start, to) < 0
        if (wanted) starts.set(start.epochNanoseconds, start)
        start = end
      }
    }
  }
  return [...starts.values()].sort(Temporal.Instant.compare)
}

export const overlaps = (one: Booking, other: Booking): boolean =>
  Temporal.Instant.compare(one.start, other.end) < 0 && Temporal.Instant.compare(other.start, one.end) < 0

export interface FreeSlotsQuery {
  from: Temporal.Instant
  /** Exclusive. */
  to: Temporal.Instant
  now: Temporal.Instant
  taken: Iterable<Booking>
  /** GoHighLevel's ignoreDateRange: minimum notice does not count. The past stays closed. */
  ignoreNotice?: boolean
}

/** The slot starts a caller may be offered: within opening hours, not taken, and far enough ahead. */
export function freeSlots(calendar: SlotCalendar, query: FreeSlotsQuery): Temporal.Instant[] {
  const { from, to, now } = query
  const notice = query.ignoreNotice ? 0 : (calendar.minNoticeMinutes ?? 0)
  const soonest = now.add({ minutes: notice })
  const range = { start: from, end: to.add({ minutes: calendar.slotMinutes }) }
  const taken = [...query.taken].filter((booking) => overlaps(booking, range))
  return openStarts(calendar, from, to).filter((start) => {
    if (Temporal.Instant.compare(start, soonest) < 0) return false
    const slot = { start, end: start.add({ minutes: calendar.slotMinutes }) }
    return !taken.some((booking) => overlaps(booking, slot))
  })
}

/** e.g. `2026-08-21T09:00:00-07:00`: the offset is the zone's own on that day. */
export const slotText = (instant: Temporal.Instant, zone: string): string =>
  instant.toZonedDateTimeISO(zone).toString({ timeZoneName: 'never', smallestUnit: 'second' })

/** Slots by the day they fall on in `zone`; days without any are absent. */
export function slotsByDay(slots: readonly Temporal.Instant[], zone: string) {
  const days: Record<string, { slots: string[] }> = {}
  for (const slot of slots) {
    const text = slotText(slot, zone)
    const day = text.slice(0, 10)
    days[day] ??= { slots: [] }
    days[day].slots.push(text)
  }
  return days
}
