import { Type } from '@sinclair/typebox'
import { invalid } from '../errors.ts'
import { parseDay, parseWhen, sayDay, startOfDay } from '../time.ts'
import { defineTool } from './define.ts'
import { calendarOf, OfferedSlot, offered, sayOffers } from './offers.ts'

/** What is looked at when only a beginning is named, or nothing. */
const DEFAULT_DAYS = 7
/** A quarter; three requests to GHL. */
const MAX_DAYS = 92

export const checkAvailability = defineTool({
  name: 'check_availability',
  description:
    'Looks up free appointment times. Use it before offering or booking any time. Without dates it covers the ' +
    'coming seven days. Offer the caller only times that it returns.',
  input: Type.Object({
    start_date: Type.Optional(Type.String({ description: 'First day, as YYYY-MM-DD. Defaults to today.' })),
    end_date: Type.Optional(
      Type.String({ description: 'Last day, as YYYY-MM-DD, included. Same as start_date for a single day.' }),
    ),
  }),
  output: Type.Object({
    success: Type.Literal(true),
    timezone: Type.String({ description: 'IANA zone of the business' }),
    start_date: Type.String({ format: 'date' }),
    end_date: Type.String({ format: 'date' }),
    slots: Type.Array(OfferedSlot),
  }),

  async run({ client, ghl, clock }, { start_date, end_date }) {
    const { zone } = calendarOf(client)
    const now = clock()
    const today = now.toZonedDateTimeISO(zone).toPlainDate()
    const first = start_date === undefined ? today : readDay('start_date', start_date, zone)
    const last =
      end_date === undefined ? first.add({ days: DEFAULT_DAYS - 1 }) : readDay('end_date', end_date, zone)
    if (Temporal.PlainDate.compare(last, first) < 0)
      throw invalid('end_date', 'end_date is before start_date.')
    if (Temporal.PlainDate.compare(last, today) < 0) {
      throw invalid('end_date', `That lies in the past. Today is ${today}.`)
    }
    const from = Temporal.PlainDate.compare(first, today) < 0 ? today : first
    if (from.until(last).total('days') >= MAX_DAYS)
      throw invalid('end_date', `Ask for at most ${MAX_DAYS} days at once.`)

    const notBefore = bound(start_date, zone) ?? now
    const notAfter = bound(end_date, zone) ?? startOfDay(last.add({ days: 1 }), zone)
    const slots = (await ghl.calendars.freeSlots(from, last, zone)).filter(
      ({ at }) =>
        Temporal.Instant.compare(at, now) > 0 &&
        Temporal.Instant.compare(at, notBefore) >= 0 &&
        Temporal.Instant.compare(at, notAfter) <= 0,
    )
    return {
      success: true as const,
      timezone: zone,
      start_date: from.toString(),
      end_date: last.toString(),
      slots: offered(slots),
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

function readDay(field: string, value: string, zone: string): Temporal.PlainDate {
  const day = parseDay(value, zone)
  if (!day) throw invalid(field, `${field} must be a date such as 2026-08-21.`)
  return day
}

/** Where the text names a time of day too, slots are bounded by it. */
function bound(value: string | undefined, zone: string): Temporal.Instant | undefined {
  const when = value === undefined ? undefined : parseWhen(value, zone)
  return when?.kind === 'instants' ? when.instants[0] : undefined
}
