import t from 'tap'
import { asOwner, build } from '../../helper.ts'
import { rest, use } from './kit.ts'

process.env.TZ = 'Pacific/Kiritimati'
const CHECK = 'check_availability'

const starts = (body: Record<string, unknown>) =>
  (body.slots as { start_time: string }[]).map(({ start_time }) => start_time)
const freeSlotQueries = (h: Awaited<ReturnType<typeof build>>) =>
  h.crm.exchanges
    .filter(({ request }) => request.path.endsWith('/free-slots'))
    .map(({ request }) => request.query)

t.test('the sentence: at most six offers, with the number of the rest', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const day = await use(h, client, CHECK, { date: '2026-08-21' })
  t.equal(
    day.result,
    'Free: Friday, August 21 at 9:00 AM, 9:30 AM, 10:00 AM, 10:30 AM, 11:00 AM, 11:30 AM; and 10 more.',
  )
  const late = await use(h, client, CHECK, { date: '2026-08-21', not_before: '15:30' })
  t.equal(late.result, 'Free: Friday, August 21 at 3:30 PM, 4:00 PM, 4:30 PM.')
  const two = await use(h, client, CHECK, {
    start_date: '2026-08-21',
    end_date: '2026-08-22',
    not_before: '16:00',
  })
  t.equal(two.result, 'Free: Friday, August 21 at 4:00 PM, 4:30 PM; Saturday, August 22 at 4:00 PM, 4:30 PM.')
  for (const { result } of [day, late, two]) t.notMatch(result, /[\n\u202f]/)
})

t.test('structured: every slot, as the calendar wrote it', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const { status, body } = await rest(h, CHECK, {
    client_id: client.id,
    start_date: '2026-08-21',
    end_date: '2026-08-22',
  })
  t.equal(status, 200)
  t.match(body, {
    success: true,
    timezone: 'America/Vancouver',
    start_date: '2026-08-21',
    end_date: '2026-08-22',
  })
  t.equal(starts(body).length, 32)
  t.equal(starts(body)[0], '2026-08-21T09:00:00-07:00')
  t.equal(starts(body).at(-1), '2026-08-22T16:30:00-07:00')
})

t.test('preferences', async (t) => {
  const h = await build(t)
  const client = await h.addClient(
    {},
    {
      calendars: [
        {
          id: 'LongCalendar00000001',
          slotMinutes: 60,
          openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '08:00', to: '21:00' }],
        },
      ],
    },
  )
  await asOwner(h.app)`update clients set calendar_id = 'LongCalendar00000001' where id = ${client.id}`
  const hours = async (args: Record<string, unknown>) => {
    const { status, body } = await rest(h, CHECK, { client_id: client.id, date: '2026-08-24', ...args })
    t.equal(status, 200, JSON.stringify(body))
    return starts(body)
      .map((start) => Number(start.slice(11, 13)))
      .join(' ')
  }
  t.equal(await hours({}), '8 9 10 11 12 13 14 15 16 17 18 19 20')
  t.equal(await hours({ part_of_day: 'morning' }), '8 9 10 11')
  t.equal(await hours({ part_of_day: 'afternoon' }), '12 13 14 15 16')
  t.equal(await hours({ part_of_day: 'evening' }), '17 18 19 20')
  t.equal(await hours({ not_before: '15:00' }), '15 16 17 18 19 20', 'after three')
  t.equal(await hours({ not_after: '10:00' }), '8 9 10')
  t.equal(await hours({ not_before: '10:30', not_after: '13:30' }), '11 12 13')
  t.equal(await hours({ part_of_day: 'afternoon', not_before: '3pm' }), '15 16')
  for (const text of ['15:00', '15', '3pm', '3 PM', '3:00 p.m.', '15:00:00']) {
    t.equal(await hours({ not_before: text }), '15 16 17 18 19 20', text)
  }
  t.equal(await hours({ not_after: '12am' }), '')
  t.match(await use(h, client, CHECK, { part_of_day: 'Morning', date: '2026-08-24' }), {
    result: /^Free: .*8:00 AM, 9:00 AM, 10:00 AM, 11:00 AM\.$/,
  })
  for (const bad of ['soon', '25:00', '10:75', '13pm', '0am', '-1:00']) {
    t.match(
      await use(h, client, CHECK, { not_before: bad }),
      { error: 'not_before must be a time of day such as 15:00.' },
      bad,
    )
  }
  t.match(await use(h, client, CHECK, { part_of_day: 'teatime' }), {
    error: /must be morning, afternoon or evening/,
  })
  t.match(await use(h, client, CHECK, { not_before: '15:00', not_after: '9:00' }), {
    error: /earlier than not_before/,
  })
})

t.test('next available', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const soon = await use(h, client, CHECK, { next_available: true })
  t.equal(soon.result, 'Free: Friday, August 21 at 9:00 AM, 9:30 AM, 10:00 AM, 10:30 AM, 11:00 AM, 11:30 AM.')
  const asText = await use(h, client, CHECK, {
    next_available: 'true',
    part_of_day: 'afternoon',
    date: '2026-08-23',
  })
  t.match(asText.result, /^Free: Sunday, August 23 at 12:00 PM, /)

  // Nothing before the third piece of the quarter.
  const rare = await h.addClient(
    { calendar_id: 'RareCalendar00000001' },
    {
      calendars: [
        {
          id: 'RareCalendar00000001',
          slotMinutes: 30,
          openHours: [{ days: [1, 2, 3, 4, 5], from: '09:00', to: '17:00' }],
          minNoticeMinutes: 65 * 24 * 60,
        },
      ],
    },
  )
  const before = freeSlotQueries(h).length
  const { body } = await rest(h, CHECK, { client_id: rare.id, next_available: true })
  t.equal(starts(body).length, 6)
  t.equal(starts(body)[0], '2026-10-26T09:00:00-07:00')
  t.equal(freeSlotQueries(h).length - before, 3, 'and looks no further')
})

t.test('more than 31 days are walked in pieces', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const { status, body } = await rest(h, CHECK, {
    client_id: client.id,
    start_date: '2026-09-01',
    end_date: '2026-11-30',
  })
  t.equal(status, 200)
  const found = starts(body)
  t.equal(found.length, 91 * 16, 'every slot once, over the end of summer time too')
  t.equal(new Set(found).size, found.length)
  t.strictSame(
    found,
    found.toSorted((a, b) => Temporal.Instant.compare(a, b)),
  )
  const queries = freeSlotQueries(h)
  t.equal(queries.length, 4)
  for (const { startDate, endDate } of queries) t.ok(Number(endDate) - Number(startDate) <= 31 * 86_400_000)
  t.match(await rest(h, CHECK, { client_id: client.id, start_date: '2026-09-01', end_date: '2026-12-02' }), {
    status: 400,
    body: { errors: [{ field: 'end_date' }] },
  })
})

t.test("days begin and end in the client's zone, wherever the process is", async (t) => {
  t.equal(new Intl.DateTimeFormat().resolvedOptions().timeZone, 'Pacific/Kiritimati')
  // 2026-08-22 00:30 in Auckland, still the 21st in New York.
  const now = Temporal.Instant.from('2026-08-21T12:30:00Z')
  const h = await build(t, { now: () => now })
  const zones = {
    'America/New_York': ['2026-08-21', '2026-08-21T09:00:00-04:00'],
    'Pacific/Auckland': ['2026-08-22', '2026-08-22T09:00:00+12:00'],
    'Asia/Kolkata': ['2026-08-21', '2026-08-22T09:00:00+05:30'],
    'Australia/Eucla': ['2026-08-21', '2026-08-22T09:00:00+08:45'],
  } as const
  for (const [timezone, [today, first]] of Object.entries(zones)) {
    const client = await h.addClient({ timezone })
    const { body } = await rest(h, CHECK, { client_id: client.id })
    t.equal(body.start_date, today, timezone)
    t.equal(starts(body)[0], first, timezone)
    const next = Temporal.PlainDate.from(today).add({ days: 1 }).toString()
    const day = await rest(h, CHECK, { client_id: client.id, date: next })
    t.equal(starts(day.body).length, 16)
    t.ok(
      starts(day.body).every((start) => start.startsWith(next)),
      timezone,
    )
  }
})

t.test('a calendar in another zone is spoken in the zone of the client', async (t) => {
  const h = await build(t)
  const client = await h.addClient({ timezone: 'America/New_York' }, { timezone: 'America/Vancouver' })
  const { result } = await use(h, client, CHECK, { date: '2026-08-24', part_of_day: 'morning' })
  t.equal(result, 'Nothing is free on Monday, August 24. Ask whether another day suits, and check again.')
  t.match(await use(h, client, CHECK, { date: '2026-08-24' }), {
    result: /^Free: Monday, August 24 at 12:00 PM, /,
  })
})

t.test('what cannot be asked', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const cases = [
    [{ start_date: 'next week' }, 'start_date must be a date such as 2026-08-21.'],
    [{ date: '2026-13-01' }, 'date must be a date such as 2026-08-21.'],
    [{ date: '2026-08-20' }, 'That lies in the past. Today is 2026-08-21.'],
    [{ start_date: '2026-08-25', end_date: '2026-08-24' }, 'end_date is before start_date.'],
  ] as const
  for (const [args, error] of cases) t.equal((await use(h, client, CHECK, args)).error, error)
  t.equal(h.crm.exchanges.length, 0)
  const past = await rest(h, CHECK, {
    client_id: client.id,
    start_date: '2026-08-01',
    end_date: '2026-08-21',
  })
  t.equal(starts(past.body)[0], '2026-08-21T09:00:00-07:00', 'what is past of a range is left out')
})

t.test('a range may name times', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const { body } = await rest(h, CHECK, {
    client_id: client.id,
    start_date: '2026-08-24T15:00:00-07:00',
    end_date: '2026-08-24T16:00:00-07:00',
  })
  t.strictSame(
    starts(body).map((start) => start.slice(11, 16)),
    ['15:00', '15:30', '16:00'],
  )
})
