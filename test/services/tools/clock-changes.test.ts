import t from 'tap'
import { build } from '../../helper.ts'
import { rest, use } from './kit.ts'

process.env.TZ = 'Asia/Kathmandu'
const BOOK = 'book_appointment'

/** A calendar that is open all night, for times nobody would book by day. */
const allNight = (id: string) => ({
  calendars: [
    { id, slotMinutes: 30, openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '24:00' }] },
  ],
})

const sentTimes = (h: Awaited<ReturnType<typeof build>>) =>
  h.crm.exchanges
    .filter(({ request }) => request.method === 'POST' && request.path === '/calendars/events/appointments')
    .map(({ request }) => (request.body as { startTime: string }).startTime)

t.test('New York, 2027-03-14: half past two does not exist', async (t) => {
  const h = await build(t, { now: () => Temporal.Instant.from('2027-03-13T17:00:00Z') })
  const client = await h.addClient(
    { timezone: 'America/New_York', calendar_id: 'Night1' },
    allNight('Night1'),
  )
  const { error } = await use(h, client, BOOK, { start_time: '2027-03-14T02:30' })
  t.equal(
    error,
    'That time does not exist on that day, because the clocks go forward. Free: Sunday, March 14 at 1:00 AM, ' +
      '1:30 AM, 3:00 AM, 3:30 AM, 4:00 AM, 4:30 AM.',
  )
  t.strictSame(sentTimes(h), [])
  t.match(await use(h, client, BOOK, { start_time: '2027-03-14T01:30' }), {
    result: /^Booked: Sunday, March 14 at 1:30 AM/,
  })
  t.match(await use(h, client, BOOK, { start_time: '2027-03-14T03:00' }), {
    result: /^Booked: Sunday, March 14 at 3:00 AM/,
  })
  t.strictSame(sentTimes(h), ['2027-03-14T01:30:00-05:00', '2027-03-14T03:00:00-04:00'])
  const day = await rest(h, 'check_availability', { client_id: client.id, date: '2027-03-14' })
  t.equal((day.body.slots as unknown[]).length, 46 - 2, 'a day of 23 hours, two slots taken')
})

t.test('New York, 2027-11-07: half past one comes twice', async (t) => {
  const h = await build(t, { now: () => Temporal.Instant.from('2027-11-06T17:00:00Z') })
  const client = await h.addClient(
    { timezone: 'America/New_York', calendar_id: 'Night2' },
    allNight('Night2'),
  )
  const day = await rest(h, 'check_availability', { client_id: client.id, date: '2027-11-07' })
  t.equal((day.body.slots as unknown[]).length, 50, 'a day of 25 hours')
  const spoken = await use(h, client, 'check_availability', {
    date: '2027-11-07',
    not_before: '01:30',
    not_after: '01:30',
  })
  t.equal(spoken.result, 'Free: Sunday, November 7 at 1:30 AM.')
  const wish = { start_time: '2027-11-07T01:30' }
  t.match(await use(h, client, BOOK, wish), { result: /^Booked: Sunday, November 7 at 1:30 AM/ })
  t.match(await use(h, client, BOOK, wish), { result: /^Already booked/ }, 'the wish is fulfilled')
  t.match(
    await use(h, client, BOOK, wish, { caller: '+12505550190' }),
    { result: /^Booked/ },
    'the second is free',
  )
  t.match(await use(h, client, BOOK, wish, { caller: '+12505550191' }), { error: /^That time is not free/ })
  t.strictSame(sentTimes(h), ['2027-11-07T01:30:00-04:00', '2027-11-07T01:30:00-05:00'])
  const exact = await use(
    h,
    client,
    BOOK,
    { start_time: '2027-11-07T01:00:00-05:00' },
    { caller: '+12505550192' },
  )
  t.match(exact.result, /^Booked: Sunday, November 7 at 1:00 AM/)
  t.equal(sentTimes(h).at(-1), '2027-11-07T01:00:00-05:00', 'an offset says which')
})

t.test('Vancouver and Edmonton in December 2026', async (t) => {
  const h = await build(t, { now: () => Temporal.Instant.from('2026-12-14T17:00:00Z') })
  for (const timezone of ['America/Vancouver', 'America/Edmonton']) {
    const client = await h.addClient({ timezone })
    // What the zone's own rules say, which have changed: British Columbia stays at UTC-7.
    const at = Temporal.PlainDateTime.from('2026-12-15T09:00').toZonedDateTime(timezone)
    const day = await rest(h, 'check_availability', { client_id: client.id, date: '2026-12-15' })
    const [first] = day.body.slots as { start_time: string }[]
    t.equal(first?.start_time, `2026-12-15T09:00:00${at.offset}`, timezone)
    const { result } = await use(h, client, BOOK, { start_time: '2026-12-15T09:00' })
    t.match(result, /^Booked: Tuesday, December 15 at 9:00 AM\./, timezone)
    t.equal(sentTimes(h).at(-1), first?.start_time)
  }
  t.equal(
    Temporal.PlainDateTime.from('2026-12-15T09:00').toZonedDateTime('America/Vancouver').offset,
    '-07:00',
  )
})

t.test('zones with half-hour offsets', async (t) => {
  const h = await build(t)
  const zones = [
    ['Asia/Kolkata', '2026-08-24T10:30:00+05:30'],
    ['America/St_Johns', '2026-08-24T10:30:00-02:30'],
    ['Asia/Kathmandu', '2026-08-24T10:30:00+05:45'],
  ] as const
  for (const [timezone, slot] of zones) {
    const client = await h.addClient({ timezone })
    t.match(await use(h, client, BOOK, { start_time: '2026-08-24T10:30' }), {
      result: /^Booked: Monday, August 24 at 10:30 AM/,
    })
    t.equal(sentTimes(h).at(-1), slot)
    t.match(h.crm.location(client.locationId).appointments, [{ endTime: slot.replace('10:30', '11:00') }])
  }
})
