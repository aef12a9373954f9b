import t from 'tap'
import { startCrmSandbox } from '../../sandbox/crm/server.ts'
import { bench, CALENDARS, CONTACTS, calendar, call, location, newContact, slotsPath } from './crm.ts'

const other = location({ id: 'LOC2', token: 'pit-two', calendars: [calendar({ id: 'CAL2' })] })

t.test('tokens', async (t) => {
  const b = await bench(t)
  const denied = async (authorization: string, message: string) => {
    const answer = await b.get('/locations/LOC1', { headers: { authorization } })
    t.equal(answer.status, 401, authorization)
    t.match(answer.body, { statusCode: 401, message, error: 'Unauthorized', traceId: String })
  }
  await denied('', 'Invalid JWT')
  await denied('pit-one', 'Invalid JWT')
  await denied('Bearer nobody', 'Invalid Private Integration token')
  await denied('Bearer undefined', 'Invalid Private Integration token')
})

t.test('a token reaches nothing of another location', async (t) => {
  const b = await bench(t, { locations: [location(), other] })
  const theirs = { token: 'pit-two' }
  const contactId = await newContact(b)
  const booked = await b.post('/calendars/events/appointments', {
    ...{ calendarId: 'CAL1', locationId: 'LOC1', contactId, startTime: '2026-08-21T09:00:00-07:00' },
  })
  const eventId = booked.body.id
  const theirContact = await newContact(b, { locationId: 'LOC2' }, theirs)
  const writes = b.crm.ledger.length
  const answers = [
    await b.get('/contacts/search/duplicate?locationId=LOC1&email=a@b.co', theirs),
    await b.post('/contacts/search', { locationId: 'LOC1', pageLimit: 1 }, theirs),
    await b.post('/contacts/upsert', { locationId: 'LOC1', phone: '+12505550188' }, theirs),
    await b.post('/contacts/', { locationId: 'LOC1' }, theirs),
    await b.get(`/contacts/${contactId}`, theirs),
    await b.put(`/contacts/${contactId}`, { firstName: 'x' }, theirs),
    await b.del(`/contacts/${contactId}`, undefined, theirs),
    await b.post(`/contacts/${contactId}/notes`, { body: 'x' }, theirs),
    await b.get(`/contacts/${contactId}/appointments`, theirs),
    await b.get('/calendars/?locationId=LOC1', theirs),
    await b.get('/calendars/CAL1', theirs),
    await b.get(slotsPath('CAL1', '2026-08-21T00:00Z', '2026-08-22T00:00Z'), theirs),
    await b.get(
      '/calendars/events?locationId=LOC1&calendarId=CAL1&startTime=1787270400000&endTime=1787356800000',
      theirs,
    ),
    await b.get(`/calendars/events/appointments/${eventId}`, theirs),
    await b.put(`/calendars/events/appointments/${eventId}`, { title: 'x' }, theirs),
    await b.del(`/calendars/events/${eventId}`, {}, theirs),
    await b.post('/conversations/messages', { type: 'SMS', contactId, message: 'x' }, theirs),
    await b.get('/locations/LOC1', theirs),
    await b.post(
      '/calendars/events/appointments',
      {
        calendarId: 'CAL1',
        locationId: 'LOC2',
        contactId: theirContact,
        startTime: '2026-08-21T09:30:00-07:00',
      },
      theirs,
    ),
    await b.post(
      '/calendars/events/appointments',
      { calendarId: 'CAL2', locationId: 'LOC2', contactId, startTime: '2026-08-21T09:30:00-07:00' },
      theirs,
    ),
  ]
  for (const [index, answer] of answers.entries()) {
    t.equal(answer.status, 403, String(index))
    t.match(answer.body, { statusCode: 403, message: 'The token does not have access to this location.' })
  }
  t.equal(b.crm.ledger.length, writes, 'and nothing was written')
})

t.test('the version header', async (t) => {
  const b = await bench(t)
  const denied = async (path: string, version: string | null, message: string | RegExp) => {
    const answer = await b.get(path, { version })
    t.equal(answer.status, 401, `${path} ${version}`)
    t.match(answer.body.message, message)
  }
  await denied('/locations/LOC1', null, 'version header was not found.')
  await denied('/locations/LOC1', '2021-07-29', /^version header is invalid$/)
  await denied('/calendars/CAL1', CONTACTS, /documented for 2021-04-15/)
  await denied('/contacts/x', CALENDARS, /documented for 2021-07-28/)
  await denied('/contacts/x/appointments', CALENDARS, /documented for 2021-07-28/)
  await denied('/conversations/messages', 'v3', /documented for 2021-04-15/)
})

t.test('bodies must be JSON and belong to the operation', async (t) => {
  const b = await bench(t)
  const id = await newContact(b)
  const path = `/contacts/${id}/notes`
  const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' } }
  t.equal((await b.post(path, 'body=x', form)).status, 415)
  t.equal((await b.post(path, '{"body":"x"}', { headers: { 'content-type': 'text/plain' } })).status, 415)
  t.equal((await b.post(path, '{"body":')).status, 400)
  t.match((await b.post(path, '[]')).body, { statusCode: 422, message: ['body must be an object'] })
  t.equal((await call(b.crm.url, 'POST', path)).status, 422)
  t.match((await b.del(`/contacts/${id}`, { reason: 'x' })).body, {
    message: ['property reason should not exist'],
  })
  t.match((await b.get('/nowhere')).body, { statusCode: 404, message: 'Cannot GET /nowhere' })
  t.equal((await b.get('/contacts/?locationId=LOC1')).status, 404, 'the deprecated list is not offered')
})

t.test('the published rate limit holds per location, in real time', async (t) => {
  const b = await bench(t, { locations: [location(), other], rateLimit: { max: 3, perMs: 1000 } })
  const ask = (token = 'pit-one') =>
    b.get(token === 'pit-one' ? '/locations/LOC1' : '/locations/LOC2', { token })
  const first = await ask()
  t.match(Object.fromEntries(first.headers), {
    'x-ratelimit-max': '3',
    'x-ratelimit-remaining': '2',
    'x-ratelimit-interval-milliseconds': '1000',
    'x-ratelimit-limit-daily': '200000',
    'x-ratelimit-daily-remaining': '199999',
  })
  await ask()
  await ask()
  const spent = await ask()
  t.equal(spent.status, 429)
  t.match(spent.body, { statusCode: 429, message: 'Too Many Requests' })
  t.equal(spent.headers.get('retry-after'), '1')
  t.equal(spent.headers.get('x-ratelimit-remaining'), '0')
  t.equal((await ask('pit-two')).status, 200, 'another location has its own')
  let later = await ask()
  while (later.status === 429) later = await ask()
  t.equal(later.status, 200)
})

t.test('without a wish the limit is the published one', async (t) => {
  const crm = await startCrmSandbox({ locations: [location()] })
  t.teardown(() => crm.close())
  const statuses = await Promise.all(
    Array.from({ length: 101 }, async () => (await call(crm.url, 'GET', '/locations/LOC1')).status),
  )
  t.equal(statuses.filter((status) => status === 200).length, 100)
  t.equal(statuses.filter((status) => status === 429).length, 1)
})

t.test('seeds are checked', async (t) => {
  const lines: string[] = []
  const b = await bench(t, { log: (line) => lines.push(line) })
  t.match(lines, [/NOT GoHighLevel.*http:\/\/127\.0\.0\.1:\d+/])
  t.throws(() => b.crm.addLocation(location()), /already has a location LOC1/)
  t.throws(() => b.crm.addLocation(location({ id: 'LOC2' })), /this token/)
  t.throws(() => b.crm.addLocation(location({ id: 'LOC2', token: 'x' })), /already has a calendar CAL1/)
  t.throws(() => b.crm.addLocation({ ...other, timezone: 'Mars/Base' }), /no time zone Mars\/Base/)
  t.throws(
    () => b.crm.addLocation({ ...other, calendars: [calendar({ id: 'C', slotMinutes: 0 })] }),
    /slotMinutes/,
  )
  b.crm.addLocation(other)
  t.equal((await b.get('/locations/LOC2', { token: 'pit-two' })).status, 200)
})
