/**
 * Times as a business says and hears them. An instant is a `Temporal.Instant`; a business's wall time is a
 * `Temporal.ZonedDateTime` in its IANA zone. The process's own zone plays no part.
 */
export type Clock = () => Temporal.Instant

let latest = Temporal.Now.instant()

/** In milliseconds. It is read several times a request, and most of what that takes is to make an instant. */
export const systemClock: Clock = () => {
  const now = Date.now()
  if (now !== latest.epochMilliseconds) latest = Temporal.Instant.fromEpochMilliseconds(now)
  return latest
}

/**
 * Orders instants, in milliseconds: less than 0 where the first comes first. `Temporal.Instant.compare` takes ten times
 * as long, and a week has a hundred free times.
 */
export const chronological = (a: Temporal.Instant, b: Temporal.Instant) =>
  a.epochMilliseconds - b.epochMilliseconds

/** Whether the text names a zone of the IANA database, such as `America/Vancouver`. Bare offsets are refused. */
export function isZone(zone: unknown): zone is string {
  if (typeof zone !== 'string' || /^[+-]/.test(zone)) return false
  try {
    return Boolean(Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone))
  } catch {
    return false
  }
}

/** What a text says about a point in time, read in a zone. */
export type When =
  /** One instant; two where clocks went back and the wall time came twice. */
  | { kind: 'instants'; instants: readonly [Temporal.Instant, ...Temporal.Instant[]] }
  /** A wall time that clocks jumped over, such as 2:30 on the morning they go forward. */
  | { kind: 'skipped'; date: Temporal.PlainDate }
  | { kind: 'unreadable' }

/** A date and a time of day; then an offset, or nothing; then a zone in brackets, or nothing. */
const DATE_AND_TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:?\d{2}[\d:.,]*([^[]*)(\[.*])?$/i

/** Reads RFC 3339 with an offset (`2026-08-21T09:00:00-07:00`) or a wall time in `zone` (`2026-08-21T09:00`). */
export function parseWhen(text: string, zone: string): When {
  const iso = text.trim()
  const parts = DATE_AND_TIME.exec(iso)
  if (!parts) return { kind: 'unreadable' }
  const [, offset, annotation] = parts
  if (offset || annotation) {
    // Temporal's wall times pass over an offset and a zone without a word: they are read as what they say.
    const instant = attempt(() =>
      offset ? Temporal.Instant.from(iso) : Temporal.ZonedDateTime.from(iso).toInstant(),
    )
    return instant ? { kind: 'instants', instants: [instant] } : { kind: 'unreadable' }
  }
  const wall = attempt(() => Temporal.PlainDateTime.from(iso))
  if (!wall) return { kind: 'unreadable' }
  const earlier = wall.toZonedDateTime(zone, { disambiguation: 'earlier' })
  const later = wall.toZonedDateTime(zone, { disambiguation: 'later' })
  if (!earlier.toPlainDateTime().equals(wall)) return { kind: 'skipped', date: wall.toPlainDate() }
  const first = earlier.toInstant()
  const second = later.toInstant()
  return { kind: 'instants', instants: first.equals(second) ? [first] : [first, second] }
}

/** The calendar day a text names in `zone`: `2026-08-21`, or the day of a time. Undefined if it names none. */
export function parseDay(text: string, zone: string): Temporal.PlainDate | undefined {
  const iso = text.trim()
  if (/^\d{4}-\d{2}-\d{2}$/.test(iso)) return attempt(() => Temporal.PlainDate.from(iso))
  const when = parseWhen(iso, zone)
  if (when.kind === 'skipped') return when.date
  return when.kind === 'instants' ? when.instants[0].toZonedDateTimeISO(zone).toPlainDate() : undefined
}

/** The instant a day begins in `zone`; not always midnight, since some zones change their clocks there. */
export function startOfDay(day: Temporal.PlainDate, zone: string): Temporal.Instant {
  return day.toZonedDateTime({ timeZone: zone }).toInstant()
}

function formatter(options: Intl.DateTimeFormatOptions): (zone: string) => Intl.DateTimeFormat {
  const made = new Map<string, Intl.DateTimeFormat>()
  return (zone) => {
    const known = made.get(zone)
    if (known) return known
    // A formatter costs some 50 µs and 30 kB to make; there are at most a few hundred zones.
    const fresh = new Intl.DateTimeFormat('en-US', { ...options, timeZone: zone })
    made.set(zone, fresh)
    return fresh
  }
}

const dayFormat = formatter({ weekday: 'long', month: 'long', day: 'numeric' })
const dayWithYearFormat = formatter({ weekday: 'long', month: 'long', day: 'numeric', year: 'numeric' })
const timeFormat = formatter({ hour: 'numeric', minute: '2-digit' })

/** ICU puts a narrow no-break space before AM and PM; voices and tests read a plain one. */
const plainSpaces = (text: string) => text.replace(/[\u202f\u00a0]/g, ' ')

/** `Friday, August 21` */
export function sayDay(at: Temporal.Instant, zone: string): string {
  return dayFormat(zone).format(at.epochMilliseconds)
}

/** `Friday, August 21, 2026` */
export function sayDate(at: Temporal.Instant, zone: string): string {
  return dayWithYearFormat(zone).format(at.epochMilliseconds)
}

/** `9:00 AM` */
export function sayTime(at: Temporal.Instant, zone: string): string {
  return plainSpaces(timeFormat(zone).format(at.epochMilliseconds))
}

/** `Friday, August 21 at 9:00 AM` */
export function sayMoment(at: Temporal.Instant, zone: string): string {
  return `${sayDay(at, zone)} at ${sayTime(at, zone)}`
}

/**
 * Remembers what was said last of each zone, until the minute is over; `say` must not tell seconds. To format one
 * date takes longer than all else that is done while a phone rings. Instants from 1972 on: zones had odd seconds before.
 */
export function rememberedByMinute(
  say: (at: Temporal.Instant, zone: string) => string,
): (at: Temporal.Instant, zone: string) => string {
  const last = new Map<string, { minute: number; said: string }>()
  return (at, zone) => {
    const minute = Math.floor(at.epochMilliseconds / 60_000)
    const known = last.get(zone)
    if (known?.minute === minute) return known.said
    const said = say(at, zone)
    last.set(zone, { minute, said })
    return said
  }
}

const EARLIEST_MS = Date.parse('2000-01-01T00:00Z')
const LATEST_MS = Date.parse('2060-01-01T00:00Z')

/**
 * An instant from epoch milliseconds or an ISO text, as VAPI sends both. Undefined for anything else, and for
 * what cannot be the time of a call: PostgreSQL refuses years that Temporal takes, and seconds between two
 * instants of this range fit its `integer`.
 */
export function toInstant(value: unknown): Temporal.Instant | undefined {
  const instant = attempt(() => {
    if (typeof value === 'number') return Temporal.Instant.fromEpochMilliseconds(Math.trunc(value))
    return typeof value === 'string' ? Temporal.Instant.from(value) : undefined
  })
  const ms = instant?.epochMilliseconds ?? Number.NaN
  return ms >= EARLIEST_MS && ms <= LATEST_MS ? instant : undefined
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
