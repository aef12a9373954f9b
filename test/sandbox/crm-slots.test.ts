import t from 'tap'
import { bench, calendar, location, newContact, slotsOf, slotsPath, weekdays } from './crm.ts'

const everyDay = [1, 2, 3, 4, 5, 6, 7]

/** A calendar in a zone of its own, asked for a range in one zone. */
async function slots(
  t: Parameters<typeof bench>[0],
  zone: string,
  hours: { from: string; to: string },
  range: { now: string; from: string; to: string; ask?: string; slotMinutes?: number },
) {
  const own = calendar({
    timezone: zone,
    slotMinutes: range.slotMinutes ?? 60,
    openHours: [{ days: everyDay, ...hours }],
  })
  const b = await bench(t, {
    now: () => Temporal.Instant.from(range.now),
    locations: [location({ calendars: [own] })],
  })
  return slotsOf(await b.get(slotsPath('CAL1', range.from, range.to, range.ask)))
}

t.test('opening hours become slots in the zone asked for; days without any are absent', async (t) => {
  const b = await bench(t)
  const answer = await b.get(slotsPath('CAL1', '2026-08-21T07:00Z', '2026-08-25T07:00Z'))
  t.equal(answer.status, 200)
  t.type(answer.body.traceId, 'string')
  t.strictSame(Object.keys(JSON.parse(answer.text)), ['2026-08-21', '2026-08-24', 'traceId'], 'no weekend')
  t.strictSame(
    slotsOf(answer)['2026-08-21'],
    ['09:00', '09:30', '10:00', '10:30', '11:00', '11:30'].map((at) => `2026-08-21T${at}:00-07:00`),
  )
  const india = await b.get(slotsPath('CAL1', '2026-08-21T07:00Z', '2026-08-22T07:00Z', 'Asia/Kolkata'))
  t.strictSame(slotsOf(india)['2026-08-21']?.at(0), '2026-08-21T21:30:00+05:30')
  t.strictSame(
    slotsOf(india)['2026-08-22'],
    ['2026-08-22T00:00:00+05:30'],
    'the day is that of the zone asked for',
  )
})

t.test('the past and the notice are closed, and the range cuts', async (t) => {
  const seed = { minNoticeMinutes: 60, openHours: [weekdays] }
  const now = Temporal.Instant.from('2026-08-21T16:45:00Z')
  const b = await bench(t, { now: () => now, locations: [location({ calendars: [calendar(seed)] })] })
  const answer = await b.get(slotsPath('CAL1', '2026-08-21T00:00Z', '2026-08-21T18:30Z'))
  t.strictSame(slotsOf(answer)['2026-08-21'], ['2026-08-21T11:00:00-07:00'])
})

t.test('a slot must end by closing time, and hours may run to midnight', async (t) => {
  const range = { now: '2026-08-20T00:00Z', from: '2026-08-21T07:00Z', to: '2026-08-22T07:00Z' }
  t.strictSame(await slots(t, 'America/Vancouver', { from: '22:30', to: '24:00' }, range), {
    '2026-08-21': ['2026-08-21T22:30:00-07:00'],
  })
})

t.test('New York springs forward: the hour that does not exist has no slot', async (t) => {
  const range = { now: '2027-03-01T00:00Z', from: '2027-03-14T05:00Z', to: '2027-03-15T04:00Z' }
  t.strictSame(await slots(t, 'America/New_York', { from: '01:00', to: '05:00' }, range), {
    '2027-03-14': ['2027-03-14T01:00:00-05:00', '2027-03-14T03:00:00-04:00', '2027-03-14T04:00:00-04:00'],
  })
  t.strictSame(await slots(t, 'America/New_York', { from: '02:30', to: '04:00' }, range), {
    '2027-03-14': ['2027-03-14T03:00:00-04:00'],
  })
  t.strictSame(await slots(t, 'America/New_York', { from: '01:00', to: '02:30' }, range), {
    '2027-03-14': ['2027-03-14T01:00:00-05:00'],
  })
  t.strictSame((await slots(t, 'America/New_York', { from: '09:00', to: '11:00' }, range))['2027-03-14'], [
    '2027-03-14T09:00:00-04:00',
    '2027-03-14T10:00:00-04:00',
  ])
})

t.test('New York falls back: the hour that comes twice has slots twice', async (t) => {
  const range = { now: '2027-11-01T00:00Z', from: '2027-11-07T04:00Z', to: '2027-11-08T05:00Z' }
  t.strictSame(await slots(t, 'America/New_York', { from: '00:00', to: '02:00' }, range), {
    '2027-11-07': ['2027-11-07T00:00:00-04:00', '2027-11-07T01:00:00-04:00', '2027-11-07T01:00:00-05:00'],
  })
  t.strictSame(
    await slots(t, 'America/New_York', { from: '01:00', to: '01:30' }, { ...range, slotMinutes: 30 }),
    {
      '2027-11-07': ['2027-11-07T01:00:00-04:00', '2027-11-07T01:30:00-04:00', '2027-11-07T01:00:00-05:00'],
    },
  )
  t.strictSame((await slots(t, 'America/New_York', { from: '09:00', to: '10:00' }, range))['2027-11-07'], [
    '2027-11-07T09:00:00-05:00',
  ])
})

t.test('Vancouver stays at UTC-7 in December 2026', async (t) => {
  const range = { now: '2026-12-01T00:00Z', from: '2026-12-15T07:00Z', to: '2026-12-16T07:00Z' }
  t.strictSame(await slots(t, 'America/Vancouver', { from: '09:00', to: '10:00' }, range), {
    '2026-12-15': ['2026-12-15T09:00:00-07:00'],
  })
})

t.test('a half-hour zone, and midnight that does not exist', async (t) => {
  const range = { now: '2026-08-20T00:00Z', from: '2026-08-20T18:30Z', to: '2026-08-21T18:30Z' }
  t.strictSame(await slots(t, 'Asia/Kolkata', { from: '09:00', to: '11:00' }, range), {
    '2026-08-21': ['2026-08-21T09:00:00+05:30', '2026-08-21T10:00:00+05:30'],
  })
  const cairo = {
    now: '2026-04-01T00:00Z',
    from: '2026-04-23T20:00Z',
    to: '2026-04-24T20:00Z',
    slotMinutes: 60,
  }
  t.strictSame(await slots(t, 'Africa/Cairo', { from: '00:00', to: '02:00' }, cairo), {
    '2026-04-24': ['2026-04-24T01:00:00+03:00'],
  })
})

t.test('requests for slots are checked', async (t) => {
  const b = await bench(t, { locations: [location({ calendars: [calendar({ teamUserIds: ['u1'] })] })] })
  const refused = async (query: string, ...message: string[]) => {
    const answer = await b.get(`/calendars/CAL1/free-slots?${query}`)
    t.equal(answer.status, 422, query)
    t.strictSame(answer.body.message, message)
  }
  const start = 1787270400000
  const range = `startDate=${start}&endDate=${start + 3600_000}`
  const numeric = 'must be a number conforming to the specified constraints'
  await refused('startDate=2026-08-21&endDate=2026-08-22', `startDate ${numeric}`, `endDate ${numeric}`)
  await refused(`startDate=${start}`, 'endDate should not be empty')
  await refused(
    `startDate=${start / 1000}&endDate=${start / 1000 + 60}`,
    'startDate must be in epoch milliseconds',
  )
  await refused(`startDate=${start}&endDate=${start}`, 'endDate must be after startDate')
  await refused(
    `startDate=${start}&endDate=${start + 31 * 86_400_000 + 1}`,
    'The date range cannot be more than 31 days',
  )
  await refused(`${range}&timezone=PST8`, 'timezone must be a valid IANA time zone')
  await refused(`${range}&locationId=LOC1`, 'property locationId should not exist')
  await refused(`${range}&userId=u2`, 'The user id not part of calendar team.')
  t.equal(
    (await b.get(`/calendars/CAL1/free-slots?startDate=${start}&endDate=${start + 31 * 86_400_000}`)).status,
    200,
  )
  t.equal((await b.get(`/calendars/CAL1/free-slots?${range}&userId=u1`)).status, 200)
  t.match((await b.get(`/calendars/NONE/free-slots?${range}`)).body, {
    statusCode: 400,
    message: /not found/,
  })
})

t.test('calendars tell their slots, hours and team', async (t) => {
  const hours = [{ days: [1, 7], from: '09:00', to: '24:00' }]
  const seed = calendar({ name: 'Visits', openHours: hours, teamUserIds: ['u1'], minNoticeMinutes: 120 })
  const b = await bench(t, { locations: [location({ calendars: [seed, calendar({ id: 'CAL9' })] })] })
  t.match((await b.get('/calendars/CAL1')).body.calendar, {
    id: 'CAL1',
    name: 'Visits',
    locationId: 'LOC1',
    slotDuration: 30,
    slotDurationUnit: 'mins',
    teamMembers: [{ userId: 'u1' }],
    allowBookingAfter: 2,
    openHours: [
      { daysOfTheWeek: [1, 0], hours: [{ openHour: 9, openMinute: 0, closeHour: 23, closeMinute: 60 }] },
    ],
  })
  t.equal((await b.get('/calendars/?locationId=LOC1')).body.calendars.length, 2)
  t.equal((await b.get('/calendars/?locationId=LOC1&showDrafted=maybe')).status, 422)
})

t.test('taken time is not offered, whole or in part', async (t) => {
  const b = await bench(t)
  const contactId = await newContact(b)
  await b.post('/calendars/events/appointments', {
    ...{ calendarId: 'CAL1', locationId: 'LOC1', contactId, ignoreFreeSlotValidation: true },
    ...{ startTime: '2026-08-21T09:45:00-07:00', endTime: '2026-08-21T10:30:00-07:00' },
  })
  const answer = await b.get(slotsPath('CAL1', '2026-08-21T07:00Z', '2026-08-22T07:00Z'))
  t.strictSame(
    slotsOf(answer)['2026-08-21'],
    ['09:00', '10:30', '11:00', '11:30'].map((at) => `2026-08-21T${at}:00-07:00`),
  )
})
