import t from 'tap'
import { type Bench, bench, calendar, location, newContact, slotsOf, slotsPath } from './crm.ts'

const NINE = '2026-08-21T09:00:00-07:00'
const TEN = '2026-08-21T10:00:00-07:00'
const GONE = {
  statusCode: 400,
  message: 'The slot you have selected is no longer available.',
  error: 'Bad Request',
}

const path = '/calendars/events/appointments'
const wish = (contactId: string, rest: object = {}) => ({
  ...{ calendarId: 'CAL1', locationId: 'LOC1', contactId, startTime: NINE },
  ...rest,
})

async function freeAt(b: Bench, time: string): Promise<boolean> {
  const answer = await b.get(slotsPath('CAL1', '2026-08-21T07:00Z', '2026-08-22T07:00Z'))
  return slotsOf(answer)['2026-08-21']?.includes(time) === true
}

t.test('an offered slot can be booked once', async (t) => {
  const b = await bench(t)
  const contactId = await newContact(b)
  const booked = await b.post(path, wish(contactId, { title: 'Estimate', toNotify: false }))
  t.equal(booked.status, 200)
  t.match(booked.body, {
    id: /^[A-Za-z0-9]{20}$/,
    calendarId: 'CAL1',
    contactId,
    startTime: NINE,
    endTime: '2026-08-21T09:30:00-07:00',
    title: 'Estimate',
    appointmentStatus: 'confirmed',
    appoinmentStatus: 'confirmed',
  })
  t.match((await b.post(path, wish(contactId))).body, GONE)
  t.notOk(await freeAt(b, NINE))
  t.equal(b.crm.location('LOC1').appointments.length, 1)
  t.match(b.crm.ledger.at(-1), { kind: 'appointment.created', id: booked.body.id, data: { toNotify: false } })
})

t.test('of fifty at the same time exactly one gets the slot', async (t) => {
  const b = await bench(t)
  const contactId = await newContact(b)
  const answers = await Promise.all(Array.from({ length: 50 }, () => b.post(path, wish(contactId))))
  t.equal(answers.filter((answer) => answer.status === 200).length, 1)
  t.equal(answers.filter((answer) => answer.status === 400).length, 49)
  t.equal(b.crm.location('LOC1').appointments.length, 1)
  t.equal(b.crm.ledger.filter((entry) => entry.kind === 'appointment.created').length, 1)
})

t.test('a time that was not offered is refused', async (t) => {
  const b = await bench(t)
  const contactId = await newContact(b)
  const refused = async (rest: object) => t.match((await b.post(path, wish(contactId, rest))).body, GONE)
  await refused({ startTime: '2026-08-21T16:00:00Z' })
  await refused({ startTime: '2026-08-21T09:10:00-07:00' })
  await refused({ startTime: '2026-08-21T12:00:00-07:00' })
  await refused({ startTime: '2026-08-22T09:00:00-07:00' })
  await refused({ startTime: '2026-08-19T09:00:00-07:00' })
  await b.post(path, wish(contactId, { startTime: TEN }))
  await refused({ startTime: '2026-08-21T09:30:00-07:00', endTime: '2026-08-21T10:30:00-07:00' })
  t.equal(
    (await b.post(path, wish(contactId, { startTime: '2026-08-21T21:30:00+05:30' }))).status,
    200,
    'any zone will do',
  )
})

t.test('ignoreFreeSlotValidation books anyway, ignoreDateRange only skips the notice', async (t) => {
  const now = Temporal.Instant.from('2026-08-21T15:30:00Z')
  const seed = calendar({ minNoticeMinutes: 120 })
  const b = await bench(t, { now: () => now, locations: [location({ calendars: [seed] })] })
  const contactId = await newContact(b)
  t.match((await b.post(path, wish(contactId))).body, GONE)
  t.equal((await b.post(path, wish(contactId, { ignoreDateRange: true }))).status, 200)
  t.match((await b.post(path, wish(contactId, { ignoreDateRange: true }))).body, GONE)
  const forced = {
    ignoreFreeSlotValidation: true,
    startTime: '2026-08-21T16:00:00Z',
    rrule: 'RRULE:FREQ=DAILY;COUNT=2',
  }
  t.match((await b.post(path, wish(contactId, forced))).body, { startTime: NINE, isRecurring: true })
})

t.test('bodies are checked', async (t) => {
  const b = await bench(t)
  const contactId = await newContact(b)
  const refused = async (rest: object, message: string) => {
    const answer = await b.post(path, wish(contactId, rest))
    t.equal(answer.status, 422, message)
    t.strictSame(answer.body.message, [message])
  }
  await refused({ selectedTimezone: 'America/Vancouver' }, 'property selectedTimezone should not exist')
  await refused({ notes: 'x' }, 'property notes should not exist')
  await refused(
    { appointmentStatus: 'booked' },
    'appointmentStatus must be one of the following values: new, confirmed, cancelled, showed, noshow, invalid',
  )
  await refused({ startTime: '2026-08-21 09:00' }, 'startTime must be a valid ISO 8601 date string')
  await refused({ startTime: '2026-02-30T09:00:00-07:00' }, 'startTime must be a valid ISO 8601 date string')
  await refused({ startTime: undefined }, 'startTime should not be empty')
  await refused({ endTime: '2026-08-21T08:00:00-07:00' }, 'endTime must be after startTime')
  await refused(
    { rrule: 'RRULE:FREQ=DAILY' },
    'rrule can only be applied when ignoreFreeSlotValidation is true',
  )
  await refused({ toNotify: 'no' }, 'toNotify must be a boolean value')
  t.match((await b.post(path, wish('nobody'))).body, {
    statusCode: 400,
    message: 'Contact with id nobody not found',
  })
  t.match((await b.post(path, wish(contactId, { calendarId: 'NONE' }))).body, { statusCode: 400 })
  t.equal(b.crm.location('LOC1').appointments.length, 0)
})

t.test('assigned users', async (t) => {
  const team = calendar({ teamUserIds: ['u1', 'u2'] })
  const picky = calendar({ id: 'CAL2', teamUserIds: ['u1'], requireAssignedUser: true })
  const b = await bench(t, { locations: [location({ calendars: [team, picky] })] })
  const contactId = await newContact(b)
  t.match((await b.post(path, wish(contactId, { assignedUserId: 'u9' }))).body, {
    statusCode: 422,
    message: ['The user id not part of calendar team.'],
  })
  t.equal((await b.post(path, wish(contactId))).body.assignedUserId, 'u1', 'the first of the team by itself')
  t.equal(
    (await b.post(path, wish(contactId, { startTime: TEN, assignedUserId: 'u2' }))).body.assignedUserId,
    'u2',
  )
  const missing = await b.post(path, wish(contactId, { calendarId: 'CAL2' }))
  t.match(missing.body, { statusCode: 422, message: [/team member is required/i] })
  t.equal((await b.post(path, wish(contactId, { calendarId: 'CAL2', assignedUserId: 'u1' }))).status, 200)
})

t.test('an appointment can be read, moved and cancelled', async (t) => {
  const b = await bench(t)
  const contactId = await newContact(b)
  const { id } = (await b.post(path, wish(contactId, { appointmentStatus: 'new' }))).body
  const read = await b.get(`${path}/${id}`)
  t.equal(read.status, 200)
  t.match(read.body.appointment, { id, appointmentStatus: 'new', startTime: NINE, assignedUserId: '' })

  t.match(
    (await b.put(`${path}/${id}`, { title: 'Visit' })).body,
    { title: 'Visit', appointmentStatus: 'confirmed' },
    'the status is reset',
  )
  const moved = await b.put(`${path}/${id}`, { startTime: TEN, appointmentStatus: 'confirmed' })
  t.match(
    moved.body,
    { startTime: TEN, endTime: '2026-08-21T10:30:00-07:00', title: 'Visit' },
    'the length is kept',
  )
  t.ok(await freeAt(b, NINE), 'the old time is free again')
  t.notOk(await freeAt(b, TEN))

  t.equal(
    (await b.put(`${path}/${id}`, { startTime: TEN, appointmentStatus: 'showed' })).status,
    200,
    'its own time is not taken',
  )
  t.match((await b.put(`${path}/${id}`, { startTime: '2026-08-21T17:00:00Z' })).body, GONE)
  const long = { startTime: '2026-08-21T10:00:00-07:00', endTime: '2026-08-21T11:00:00-07:00' }
  t.equal((await b.put(`${path}/${id}`, long)).status, 200)
  await b.post(path, wish(contactId))
  t.match((await b.put(`${path}/${id}`, { startTime: NINE })).body, GONE, 'taken by another')
  t.match(
    (await b.get(`${path}/${id}`)).body.appointment,
    { startTime: TEN },
    'and a refused move changes nothing',
  )

  t.match((await b.put(`${path}/${id}`, { appointmentStatus: 'cancelled' })).body, {
    appointmentStatus: 'cancelled',
  })
  t.ok(await freeAt(b, TEN))
  await b.post(path, wish(contactId, { startTime: TEN }))
  t.match((await b.put(`${path}/${id}`, { title: 'x' })).body, GONE, 'a revival needs its time back')
  t.match((await b.put(`${path}/${id}`, { contactId })).body, {
    message: ['property contactId should not exist'],
  })
  t.equal((await b.get(`${path}/nope`)).status, 400)
})

t.test('moving to another calendar frees the first', async (t) => {
  const b = await bench(t, { locations: [location({ calendars: [calendar(), calendar({ id: 'CAL2' })] })] })
  const contactId = await newContact(b)
  const { id } = (await b.post(path, wish(contactId))).body
  t.match((await b.put(`${path}/${id}`, { calendarId: 'CAL2' })).body, {
    calendarId: 'CAL2',
    startTime: NINE,
  })
  t.ok(await freeAt(b, NINE))
  t.match((await b.post(path, wish(contactId, { calendarId: 'CAL2' }))).body, GONE)
})

t.test('deleting wants a body, answers 201 and frees the time', async (t) => {
  const b = await bench(t)
  const { id } = (await b.post(path, wish(await newContact(b)))).body
  t.equal((await b.del(`/calendars/events/${id}`)).status, 422)
  t.equal((await b.del(`/calendars/events/${id}`, { why: 'x' })).status, 422)
  const gone = await b.del(`/calendars/events/${id}`, {})
  t.equal(gone.status, 201)
  t.equal(gone.body.succeeded, true)
  t.ok(await freeAt(b, NINE))
  t.equal(b.crm.location('LOC1').appointments.length, 0)
  t.equal(b.crm.ledger.at(-1)?.kind, 'appointment.deleted')
})

t.test('events are listed by calendar, user or group, and by contact in wall time', async (t) => {
  const b = await bench(t, { locations: [location({ calendars: [calendar({ teamUserIds: ['u1'] })] })] })
  const contactId = await newContact(b)
  const made = (await b.post(path, wish(contactId))).body
  const { groupId } = (await b.get(`${path}/${made.id}`)).body.appointment
  const list = (query: string) => b.get(`/calendars/events?locationId=LOC1&${query}`)
  const range = 'startTime=1787270400000&endTime=1787356800000'
  for (const by of ['calendarId=CAL1', 'userId=u1', `groupId=${groupId}`]) {
    t.match((await list(`${by}&${range}`)).body.events, [{ id: made.id, startTime: NINE, users: [] }], by)
  }
  t.strictSame((await list(`userId=u2&${range}`)).body.events, [])
  t.strictSame((await list('calendarId=CAL1&startTime=1787356800000&endTime=1787443200000')).body.events, [])
  t.strictSame((await list(range)).body.message, ['Either of userId, groupId or calendarId is required'])
  t.equal((await list(`calendarId=CAL1&startTime=2026-08-21&endTime=2026-08-22`)).status, 422)
  t.equal((await list(`calendarId=CAL1&startTime=1787270400&endTime=1787356800`)).status, 422)
  t.match((await b.get(`/contacts/${contactId}/appointments`)).body.events, [
    {
      id: made.id,
      startTime: '2026-08-21 09:00:00',
      endTime: '2026-08-21 09:30:00',
      appointmentStatus: 'confirmed',
    },
  ])
})
