import { Type } from '@sinclair/typebox'
import { invalid } from '../errors.ts'
import type { Slot } from '../ghl/calendars.ts'
import { chronological, parseDay, parseWhen, sayDay, startOfDay } from '../time.ts'
import { dayTimeFilter, dayTimeInput } from './day-times.ts'
import { defineTool, type ToolContext } from './define.ts'
import { calendarOf, OfferedSlot, offered, SPOKEN_OFFERS_MAX, sayOffers } from './offers.ts'

/** What is looked at when only a beginning is named, or nothing. */
const DEFAULT_DAYS = 7
/** A quarter; four requests to GHL. */
const MAX_DAYS = 92
/** How many days are asked for at once when the next free time is looked for; one request to GHL. */
const STEP_DAYS = 30

export const checkAvailability = defineTool({
  name: 'check_availability',
  description:
    'Looks up free appointment times. Use it before offering or booking any time. Without dates it covers the ' +
    'coming seven days. For one day give date; for several give start_date and end_date; for "as soon as ' +
    'possible" give next_available. Offer the caller only times that it returns.',
  input: Type.Object({
    date: Type.Optional(Type.String({ description: 'The one day that is asked for, as YYYY-MM-DD' })),
    start_date: Type.Optional(
      Type.String({ description: 'First of several days, as YYYY-MM-DD. Defaults to today.' }),
    ),
    end_date: Type.Optional(Type.String({ description: 'Last of several days, as YYYY-MM-DD, included' })),
    ...dayTimeInput,
    next_available: Type.Optional(
      Type.Boolean({ description: 'True for the soonest free times, however far ahead they are' }),
    ),
  }),
  output: Type.Object({
    success: Type.Literal(true),
    timezone: Type.String({ description: 'IANA zone of the business' }),
    start_date: Type.String({ format: 'date' }),
    end_date: Type.String({ format: 'date', description: 'Last day that was looked at' }),
    slots: Type.Array(OfferedSlot),
  }),
  readOnly: true,
  needsCalendar: true,

  async run(context, input) {
    const { zone } = calendarOf(context.client)
    const range = readRange(input, context.clock(), zone)
    const suits = dayTimeFilter(input, zone)
    const wanted = (slot: Slot) => suits(slot) && within(slot, range)
    const found = input.next_available
      ? await soonest(context, range, zone, wanted)
      : {
          slots: (await context.ghl.calendars.freeSlots(range.from, range.to, zone)).filter(wanted),
          to: range.to,
        }
    return {
      success: true as const,
      timezone: zone,
      start_date: range.from.toString(),
      end_date: found.to.toString(),
      slots: offered(found.slots),
    }
  },

  say({ slots, timezone, start_date, end_date }) {
    if (slots.length > 0) return `Free: ${sayOffers(slots, timezone)}.`
    const day = (date: string) => sayDay(startOfDay(Temporal.PlainDate.from(date), timezone), timezone)
    const range =
      start_date === end_date ? `on ${day(start_date)}` : `from ${day(start_date)} to ${day(end_date)}`
    return `Nothing is free ${range}. Ask whether another day suits, and check again.`
  },
})

interface Range {
  /** Both included. */
  from: Temporal.PlainDate
  to: Temporal.PlainDate
  notBefore: Temporal.Instant
  notAfter: Temporal.Instant
  now: Temporal.Instant
}

interface Days {
  date?: string
  start_date?: string
  end_date?: string
  next_available?: boolean
}

/** @throws AppError INVALID_INPUT */
function readRange({ date, next_available, ...days }: Days, now: Temporal.Instant, zone: string): Range {
  const { start_date, end_date } = date === undefined ? days : { start_date: date, end_date: date }
  const endName = date === undefined ? 'end_date' : 'date'
  const today = now.toZonedDateTimeISO(zone).toPlainDate()
  const first =
    start_date === undefined ? today : readDay(date === undefined ? 'start_date' : 'date', start_date, zone)
  // Asking for the next time after some day, models name it as the only one: it is where the search begins.
  const open = end_date === undefined || (next_available && date !== undefined)
  const from = Temporal.PlainDate.compare(first, today) < 0 ? today : first
  const to = open
    ? (next_available ? from : first).add({ days: (next_available ? MAX_DAYS : DEFAULT_DAYS) - 1 })
    : readDay(endName, end_date, zone)
  if (Temporal.PlainDate.compare(to, first) < 0) throw invalid(endName, `${endName} is before start_date.`)
  if (Temporal.PlainDate.compare(to, today) < 0)
    throw invalid(endName, `That lies in the past. Today is ${today}.`)
  if (from.until(to).total('days') >= MAX_DAYS)
    throw invalid(endName, `Ask for at most ${MAX_DAYS} days at once.`)
  return {
    from,
    to,
    notBefore: timeIn(start_date, zone) ?? now,
    notAfter: (open ? undefined : timeIn(end_date, zone, date)) ?? startOfDay(to.add({ days: 1 }), zone),
    now,
  }
}

function within({ at }: Slot, { now, notBefore, notAfter }: Range): boolean {
  return chronological(at, now) > 0 && chronological(at, notBefore) >= 0 && chronological(at, notAfter) <= 0
}

/** The soonest free times, at most as many as are offered at once; looks no further than it must. */
async function soonest({ ghl }: ToolContext, range: Range, zone: string, wanted: (slot: Slot) => boolean) {
  for (let day = range.from; ; day = day.add({ days: STEP_DAYS })) {
    const last = day.add({ days: STEP_DAYS - 1 })
    const to = Temporal.PlainDate.compare(last, range.to) < 0 ? last : range.to
    const slots = (await ghl.calendars.freeSlots(day, to, zone)).filter(wanted).slice(0, SPOKEN_OFFERS_MAX)
    if (slots.length > 0 || to.equals(range.to)) return { slots, to }
  }
}

function readDay(field: string, value: string, zone: string): Temporal.PlainDate {
  const day = parseDay(value, zone)
  if (!day) throw invalid(field, `${field} must be a date such as 2026-08-21.`)
  return day
}

/** Where the text names a time of day too, slots are bounded by it; not where it is the `only` thing said. */
function timeIn(value: string | undefined, zone: string, only?: string): Temporal.Instant | undefined {
  const when = value === undefined || only !== undefined ? undefined : parseWhen(value, zone)
  return when?.kind === 'instants' ? when.instants[0] : undefined
}
