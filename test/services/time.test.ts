import t from 'tap'
import {
  isZone,
  parseDay,
  parseWhen,
  rememberedByMinute,
  sayDate,
  sayMoment,
  sayTime,
  startOfDay,
  toInstant,
} from '../../services/time.ts'

const VANCOUVER = 'America/Vancouver'
const TORONTO = 'America/Toronto'

const instants = (text: string, zone = VANCOUVER) => {
  const when = parseWhen(text, zone)
  return when.kind === 'instants' ? when.instants.map(String) : when.kind
}

t.test('a zone is a name of the IANA database, never a bare offset', async (t) => {
  for (const zone of [VANCOUVER, 'Asia/Kolkata', 'UTC', 'Europe/Berlin']) t.ok(isZone(zone), zone)
  for (const zone of ['', 'Mars/Olympus', '+05:30', '-07:00', 'Vancouver', undefined, null, 5, {}])
    t.notOk(isZone(zone), String(zone))
})

t.test('a time with an offset is that instant, whatever the zone', async (t) => {
  const nine = ['2026-08-21T16:00:00Z']
  for (const text of [
    '2026-08-21T09:00:00-07:00',
    '2026-08-21T09:00-07:00',
    '2026-08-21T09:00:00.000-0700',
    '2026-08-21T09:00-07',
    '2026-08-21 12:00:00-04:00',
    '2026-08-21T16:00Z',
    '2026-08-21t16:00:00z',
    '2026-08-21T09:00-07:00[America/Vancouver]',
    ' 2026-08-21T21:30:00+05:30 ',
  ])
    t.strictSame(instants(text, 'Asia/Kolkata'), nine, text)
})

t.test('a wall time is read in the zone of the business', async (t) => {
  t.strictSame(instants('2026-08-21T09:00'), ['2026-08-21T16:00:00Z'])
  t.strictSame(instants('2026-08-21 09:00:00'), ['2026-08-21T16:00:00Z'])
  t.strictSame(instants('2026-08-21T09:00', 'Asia/Kolkata'), ['2026-08-21T03:30:00Z'])
  t.strictSame(instants('2026-08-21T09:00', 'Australia/Adelaide'), ['2026-08-20T23:30:00Z'])
  t.strictSame(instants('2026-12-15T09:00'), ['2026-12-15T16:00:00Z'], 'UTC−7 in winter, since 2026')
  t.strictSame(
    instants('2026-08-21T12:00[America/Toronto]'),
    ['2026-08-21T16:00:00Z'],
    'a zone that it names itself',
  )
})

t.test('clocks that change', async (t) => {
  const skipped = parseWhen('2026-03-08T02:30', TORONTO)
  t.equal(skipped.kind, 'skipped')
  t.equal(skipped.kind === 'skipped' && skipped.date.toString(), '2026-03-08')
  t.strictSame(instants('2026-11-01T01:30', TORONTO), ['2026-11-01T05:30:00Z', '2026-11-01T06:30:00Z'])
  t.strictSame(instants('2026-11-01T01:30-05:00', TORONTO), ['2026-11-01T06:30:00Z'])
  t.equal(parseWhen('2026-11-01T01:30', VANCOUVER).kind, 'instants')
  t.strictSame(
    instants('2026-11-01T01:30', VANCOUVER),
    ['2026-11-01T08:30:00Z'],
    'clocks there no longer change',
  )
})

t.test('what is no time is unreadable', async (t) => {
  for (const text of [
    '',
    'tomorrow at nine',
    '2026-08-21',
    '09:00',
    '2026-02-30T09:00',
    '2026-08-21T25:00',
    '2026-08-21T09:00 or so',
    '2026-08-21T09:00+99:00',
    '2026-08-21T09:00[Mars/Olympus]',
    '1787328000000',
  ])
    t.equal(parseWhen(text, VANCOUVER).kind, 'unreadable', text)
})

t.test('days', async (t) => {
  const day = (text: string, zone = VANCOUVER) => parseDay(text, zone)?.toString()
  t.equal(day('2026-08-21'), '2026-08-21')
  t.equal(day('2026-08-21T23:30'), '2026-08-21')
  t.equal(day('2026-08-21T23:30:00Z', 'Asia/Kolkata'), '2026-08-22')
  t.equal(day('2026-03-08T02:30', TORONTO), '2026-03-08')
  t.equal(day('2026-02-30'), undefined)
  t.equal(day('Friday'), undefined)
  t.equal(String(startOfDay(Temporal.PlainDate.from('2026-08-21'), 'Asia/Kolkata')), '2026-08-20T18:30:00Z')
  // Midnight does not exist there on that day.
  t.equal(
    String(startOfDay(Temporal.PlainDate.from('2026-09-06'), 'America/Santiago')),
    '2026-09-06T04:00:00Z',
  )
})

t.test('as they are said', async (t) => {
  const at = Temporal.Instant.from('2026-12-15T16:05:00Z')
  t.equal(sayMoment(at, VANCOUVER), 'Tuesday, December 15 at 9:05 AM')
  t.equal(sayMoment(at, 'Asia/Kolkata'), 'Tuesday, December 15 at 9:35 PM')
  t.equal(sayDate(at, 'Pacific/Kiritimati'), 'Wednesday, December 16, 2026')
})

t.test('instants as VAPI sends them', async (t) => {
  t.equal(String(toInstant(1764000000000)), '2025-11-24T16:00:00Z')
  t.equal(String(toInstant('2026-08-20T11:14:12.339Z')), '2026-08-20T11:14:12.339Z')
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, 'now', '', null, undefined, {}, true, []])
    t.equal(toInstant(value), undefined, String(value))
  for (const value of [
    0,
    1764000000,
    8.64e15,
    '-271821-04-20T00:00Z',
    '+275760-09-13T00:00:00Z',
    '0001-01-01T00:00Z',
  ])
    t.equal(toInstant(value), undefined, `not the time of a call: ${value}`)
})

t.test('what is said of a minute is made once, for each zone', async (t) => {
  let made = 0
  const say = rememberedByMinute((at, zone) => {
    made += 1
    return `${sayDate(at, zone)}, ${sayTime(at, zone)}`
  })
  const at = (time: string, zone = VANCOUVER) => say(Temporal.Instant.from(`2026-08-21T${time}Z`), zone)
  t.equal(at('15:00:00'), 'Friday, August 21, 2026, 8:00 AM')
  t.equal(at('15:00:59.999'), 'Friday, August 21, 2026, 8:00 AM')
  t.equal(at('15:00:30', TORONTO), 'Friday, August 21, 2026, 11:00 AM')
  t.equal(at('15:00:30'), 'Friday, August 21, 2026, 8:00 AM')
  t.equal(made, 2)
  t.equal(at('15:01:00'), 'Friday, August 21, 2026, 8:01 AM')
  t.equal(at('14:59:59'), 'Friday, August 21, 2026, 7:59 AM', 'a clock that is set back is believed')
  t.equal(made, 4)
})
