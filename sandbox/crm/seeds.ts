import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isTimeZone, someText, strict } from './validation.ts'

const wallTime = Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$|^24:00$' })

export const calendarSeed = strict({
  id: someText,
  name: Type.Optional(someText),
  /** IANA; the location's when left out. */
  timezone: Type.Optional(someText),
  slotMinutes: Type.Integer({ minimum: 1 }),
  openHours: Type.Array(
    strict({
      /** ISO weekdays, 1 is Monday. */
      days: Type.Array(Type.Integer({ minimum: 1, maximum: 7 })),
      from: wallTime,
      to: wallTime,
    }),
  ),
  minNoticeMinutes: Type.Optional(Type.Integer({ minimum: 0 })),
  teamUserIds: Type.Optional(Type.Array(someText)),
  requireAssignedUser: Type.Optional(Type.Boolean()),
  /** False: somebody has switched the calendar off. */
  active: Type.Optional(Type.Boolean()),
})

export const locationSeed = strict({
  id: someText,
  token: someText,
  name: Type.Optional(someText),
  timezone: someText,
  allowDuplicateContacts: Type.Optional(Type.Boolean()),
  calendars: Type.Optional(Type.Array(calendarSeed)),
})

export interface CalendarSeed extends Static<typeof calendarSeed> {}
export interface LocationSeed extends Static<typeof locationSeed> {}

function check<T extends TSchema>(schema: T, value: unknown): Static<T> {
  const first = Value.Errors(schema, value).First()
  if (first) throw new TypeError(`seed${first.path.replaceAll('/', '.')}: ${first.message}`)
  return value as Static<T>
}

/** Throws a TypeError that names what is wrong: a mistyped seed would otherwise surface as an odd calendar. */
export function checkLocationSeed(value: unknown): LocationSeed {
  const seed = check(locationSeed, value)
  for (const zone of [seed.timezone, ...(seed.calendars ?? []).map((each) => each.timezone)]) {
    if (zone !== undefined && !isTimeZone(zone)) throw new TypeError(`seed ${seed.id}: no time zone ${zone}`)
  }
  return seed
}

export const checkLocationSeeds = (value: unknown): LocationSeed[] =>
  check(Type.Array(Type.Unknown()), value).map(checkLocationSeed)
