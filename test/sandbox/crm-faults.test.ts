import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startCrmSandbox } from '../../sandbox/crm/server.ts'
import { bench, call, location, newContact } from './crm.ts'

t.test('delay: late but right, and delays add up', async (t) => {
  const b = await bench(t)
  b.crm.fault({ kind: { type: 'delay', ms: 30 } })
  b.crm.fault({ kind: { type: 'delay', ms: 30 } })
  const start = performance.now()
  t.equal((await b.get('/locations/LOC1')).status, 200)
  t.ok(performance.now() - start >= 55)
})

t.test('status: the answer wished for, without the handler', async (t) => {
  const b = await bench(t)
  const plain = b.crm.fault({ kind: { type: 'status', status: 503 } })
  t.match((await b.post('/contacts/upsert', { locationId: 'LOC1' })).body, {
    statusCode: 503,
    error: 'Service Unavailable',
  })
  plain()
  b.crm.fault({
    times: 1,
    kind: { type: 'status', status: 502, body: '<h1>Bad gateway</h1>', headers: { 'x-edge': 'cf' } },
  })
  const html = await b.get('/locations/LOC1')
  t.equal(html.status, 502)
  t.equal(html.text, '<h1>Bad gateway</h1>')
  t.equal(html.headers.get('x-edge'), 'cf')
  t.equal((await b.get('/locations/LOC1')).status, 200, 'spent after one')
  t.equal(b.crm.ledger.length, 0)
})

t.test('rate-limit', async (t) => {
  const b = await bench(t)
  b.crm.fault({ times: 1, kind: { type: 'rate-limit', retryAfterSeconds: 7 } })
  const answer = await b.get('/locations/LOC1')
  t.equal(answer.status, 429)
  t.equal(answer.headers.get('retry-after'), '7')
  t.match(answer.body, { statusCode: 429, message: 'Too Many Requests' })
})

t.test('garbage: 200 that is not JSON', async (t) => {
  const b = await bench(t)
  b.crm.fault({ times: 1, kind: { type: 'garbage' } })
  const answer = await b.post('/contacts/upsert', { locationId: 'LOC1' })
  t.equal(answer.status, 200)
  t.throws(() => JSON.parse(answer.text))
  t.equal(b.crm.ledger.length, 0)
})

t.test('drop-before: no answer and nothing written', async (t) => {
  const b = await bench(t)
  b.crm.fault({ times: 1, kind: { type: 'drop-before' } })
  await t.rejects(b.post('/contacts/upsert', { locationId: 'LOC1', firstName: 'Ann' }))
  t.equal(b.crm.location('LOC1').contacts.length, 0)
  t.match(b.crm.exchanges.at(-1)?.request, {
    method: 'POST',
    path: '/contacts/upsert',
    body: { firstName: 'Ann' },
  })
  t.equal(b.crm.exchanges.at(-1)?.response, undefined)
})

t.test('drop-after-commit: no answer, but written', async (t) => {
  const b = await bench(t)
  b.crm.fault({ times: 1, kind: { type: 'drop-after-commit' } })
  await t.rejects(b.post('/contacts/upsert', { locationId: 'LOC1', firstName: 'Ann' }))
  t.equal(b.crm.location('LOC1').contacts.length, 1)
  t.match(b.crm.ledger, [{ kind: 'contact.created', data: { firstName: 'Ann' } }])
  t.equal(b.crm.exchanges.at(-1)?.response, undefined)
})

t.test('hang: silent until the caller goes', async (t) => {
  const b = await bench(t)
  b.crm.fault({ kind: { type: 'hang' } })
  const asked = fetch(`${b.crm.url}/locations/LOC1`, {
    headers: { authorization: 'Bearer pit-one', version: '2021-07-28' },
    signal: AbortSignal.timeout(80),
  })
  await t.rejects(asked, { name: 'TimeoutError' })
  t.equal(b.crm.exchanges.at(-1)?.response, undefined)
})

t.test('closing ends hanging, delayed and idle connections at once', async (t) => {
  const crm = await startCrmSandbox({ locations: [location()] })
  crm.fault({ match: { path: '/contacts/*' }, kind: { type: 'hang' } })
  crm.fault({ match: { path: '/locations/*' }, kind: { type: 'delay', ms: 600_000 } })
  const idle = connect(Number(new URL(crm.url).port), '127.0.0.1')
  await once(idle, 'connect')
  const idleGone = once(idle, 'close')
  idle.resume()
  const pending = [call(crm.url, 'GET', '/contacts/x'), call(crm.url, 'GET', '/locations/LOC1')].map(
    (asked) => t.rejects(asked),
  )
  while (crm.exchanges.length < 2) await new Promise((resolve) => setImmediate(resolve))
  const start = performance.now()
  await crm.close()
  await Promise.all([...pending, idleGone])
  t.ok(performance.now() - start < 2000)
})

t.test('faults are aimed by method, path and location, and can be taken back', async (t) => {
  const second = location({ id: 'LOC2', token: 'pit-two', calendars: [] })
  const b = await bench(t, { locations: [location(), second] })
  const kind = { type: 'status', status: 500 } as const
  const id = await newContact(b)
  const statuses = async () => [
    (await b.get(`/contacts/${id}`)).status,
    (await b.put(`/contacts/${id}`, { city: 'x' })).status,
    (await b.get('/locations/LOC1')).status,
    (await b.get('/locations/LOC2', { token: 'pit-two' })).status,
  ]
  const aimed = async (match: object, expected: number[]) => {
    const remove = b.crm.fault({ match, kind })
    t.strictSame(await statuses(), expected, JSON.stringify(match))
    remove()
  }
  await aimed({ method: 'put' }, [200, 500, 200, 200])
  await aimed({ path: '/contacts/*' }, [500, 500, 200, 200])
  await aimed({ path: '/contacts' }, [200, 200, 200, 200])
  await aimed({ path: /^\/locations\/.*2$/g }, [200, 200, 200, 500])
  await aimed({ locationId: 'LOC2' }, [200, 200, 200, 500])
  await aimed({ locationId: 'LOC1', method: 'GET' }, [500, 200, 500, 200])
  b.crm.fault({ times: 2, kind })
  t.strictSame(await statuses(), [500, 500, 200, 200])
  b.crm.fault({ kind })
  b.crm.clearFaults()
  t.strictSame(await statuses(), [200, 200, 200, 200])
})

t.test('every exchange is kept with what was asked and answered', async (t) => {
  const b = await bench(t)
  await b.get('/contacts/search/duplicate?locationId=LOC1&number=%2B12505550188')
  await b.post('/contacts/upsert', { locationId: 'LOC1', shoe: 1 })
  await b.get('/nowhere')
  t.match(b.crm.exchanges, [
    {
      at: '2026-08-20T12:00:00Z',
      request: {
        method: 'GET',
        path: '/contacts/search/duplicate',
        query: { locationId: 'LOC1', number: '+12505550188' },
        headers: { version: '2021-07-28', authorization: 'Bearer pit-one' },
        body: undefined,
      },
      response: { status: 200, body: { contact: null } },
    },
    { request: { method: 'POST', body: { shoe: 1 } }, response: { status: 422 } },
    { request: { path: '/nowhere' }, response: { status: 404 } },
  ])
})
