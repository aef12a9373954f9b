import t from 'tap'
import { startVapiApi, type VapiApiOptions } from '../../sandbox/vapi-api.ts'

const ID = '7420f27a-30fd-4f49-a995-5549ae7cc00d'

async function bench(t: { teardown(fn: () => Promise<void>): void }, options: Partial<VapiApiOptions> = {}) {
  const vapi = await startVapiApi({ key: 'secret', ...options })
  t.teardown(() => vapi.close())
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(vapi.url + path, { redirect: 'manual', headers: { authorization: 'Bearer secret' }, ...init })
  const send = (method: string, path: string, body: unknown) =>
    ask(path, {
      method,
      headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  return { vapi, ask, send }
}

t.test('a recording is a redirect to an address that expires', async (t) => {
  let now = Temporal.Instant.from('2026-08-20T12:00:00Z')
  const { vapi, ask } = await bench(t, { now: () => now })
  vapi.addCall({ id: ID })
  for (const kind of ['mono', 'stereo']) {
    const answer = await ask(`/call/${ID}/${kind}-recording`)
    t.equal(answer.status, 302)
    const to = answer.headers.get('location') ?? ''
    t.match(to, new RegExp(`^${vapi.url}/storage/[0-9a-f]{32}\\.wav\\?expires=\\d+$`))
    const file = await fetch(to)
    t.equal(file.status, 200, 'without a key')
    t.equal(file.headers.get('content-type'), 'audio/wav')
    t.equal(Buffer.from(await file.arrayBuffer()).toString('latin1', 0, 4), 'RIFF')
    now = now.add({ minutes: 2 })
    t.equal((await fetch(to)).status, 403)
  }
})

t.test('what is not there and who may not', async (t) => {
  const { vapi, ask } = await bench(t)
  vapi.addCall({ id: ID }, false)
  t.equal((await ask(`/call/${ID}/mono-recording`)).status, 404)
  t.equal((await ask('/call/none/mono-recording')).status, 404)
  t.equal((await ask('/call/none')).status, 404)
  t.equal((await ask('/storage/none.wav?expires=1')).status, 404)
  t.equal((await ask('/nowhere')).status, 404)
  for (const authorization of ['', 'Bearer wrong', 'secret']) {
    t.equal((await ask(`/call/${ID}`, { headers: { authorization } })).status, 401)
    t.equal((await ask(`/call/${ID}/mono-recording`, { headers: { authorization } })).status, 401)
  }
})

t.test('calls are listed newest first, filtered and limited', async (t) => {
  const { vapi, ask } = await bench(t)
  for (const hour of ['09', '11', '10']) {
    vapi.addCall({ id: hour, createdAt: `2026-08-20T${hour}:00:00.000Z`, assistantId: `a${hour}` })
  }
  const ids = async (query: string) =>
    ((await (await ask(`/call${query}`)).json()) as { id: string }[]).map((each) => each.id)
  t.strictSame(await ids(''), ['11', '10', '09'])
  t.strictSame(await ids('?limit=1'), ['11'])
  t.strictSame(await ids('?createdAtGt=2026-08-20T09:00:00Z&createdAtLt=2026-08-20T11:00:00Z'), ['10'])
  t.strictSame(await ids('?createdAtGe=2026-08-20T10:00:00Z'), ['11', '10'])
  t.strictSame(await ids('?updatedAtLe=2026-08-20T09:00:00Z'), ['09'])
  t.strictSame(await ids('?assistantId=a10'), ['10'])
  for (const query of ['?createdAtGt=today', '?limit=1001', '?limit=many', '?page=1']) {
    t.equal((await ask(`/call${query}`)).status, 400, query)
  }
})

t.test('a call is read and deleted with its recording', async (t) => {
  const { vapi, ask, send } = await bench(t)
  vapi.addCall({ id: ID, status: 'ended' })
  t.match(await (await ask(`/call/${ID}`)).json(), {
    id: ID,
    orgId: String,
    createdAt: String,
    status: 'ended',
  })
  const link = (await ask(`/call/${ID}/mono-recording`)).headers.get('location') ?? ''
  t.equal((await ask(`/call/${ID}`, { method: 'DELETE' })).status, 400, 'a body is required')
  const gone = await send('DELETE', `/call/${ID}`, {})
  t.equal(gone.status, 200)
  t.match(await gone.json(), { id: ID })
  t.equal((await ask(`/call/${ID}`)).status, 404)
  t.equal((await fetch(link)).status, 404)
  t.equal(vapi.calls.length, 0)
})

t.test('faults and exchanges are as in the CRM sandbox', async (t) => {
  const { vapi, ask, send } = await bench(t)
  vapi.addCall({ id: ID })
  const remove = vapi.fault({ match: { path: '*-recording' }, kind: { type: 'status', status: 503 } })
  t.equal((await ask(`/call/${ID}/mono-recording`)).status, 503)
  t.equal((await ask(`/call/${ID}`)).status, 200)
  remove()
  vapi.fault({ kind: { type: 'drop-after-commit' }, times: 1 })
  await t.rejects(send('DELETE', `/call/${ID}`, {}))
  t.equal(vapi.calls.length, 0)
  vapi.fault({ kind: { type: 'hang' } })
  vapi.clearFaults()
  t.equal((await ask('/call')).status, 200)
  t.strictSame(
    vapi.exchanges.map((each) => each.response?.status),
    [503, 200, undefined, 200],
  )
})

t.test('phone numbers are listed page by page', async (t) => {
  const { vapi, ask } = await bench(t)
  for (const n of [1, 2, 3])
    vapi.addNumber({
      id: `${n}`,
      provider: 'vapi',
      number: `+1778555000${n}`,
      createdAt: `2026-08-20T0${n}:00:00Z`,
    })
  const page = async (query: string) => (await ask(`/v2/phone-number${query}`)).json()
  t.match(await page('?page=1&limit=2&sortOrder=ASC'), {
    results: [{ id: '1' }, { id: '2' }],
    metadata: { itemsPerPage: 2, totalItems: 3, currentPage: 1 },
  })
  t.match(await page('?page=2&limit=2&sortOrder=ASC'), { results: [{ id: '3' }] })
  t.match(await page(''), { results: [{ id: '3' }, { id: '2' }, { id: '1' }] })
  t.match(await (await ask('/phone-number?limit=1')).json(), [{ id: '3' }])
  for (const query of ['?page=0', '?limit=1001', '?order=ASC', '?sortOrder=asc'])
    t.equal((await ask(`/v2/phone-number${query}`)).status, 400, query)
})

t.test('a phone number is imported, changed and cleared', async (t) => {
  const { vapi, ask, send } = await bench(t)
  const twilio = { provider: 'twilio', number: '+17785550001', twilioAccountSid: 'AC1', twilioAuthToken: 'x' }
  const made = (await (await send('POST', '/phone-number', twilio)).json()) as { id: string }
  t.match(made, { id: String, orgId: String, number: '+17785550001', status: 'active' })
  t.equal((await send('POST', '/phone-number', twilio)).status, 400, 'once only')
  const path = `/phone-number/${made.id}`
  const change = { assistantId: 'a', name: 'x'.repeat(40), server: { url: 'https://a.example.com' } }
  t.match(await (await send('PATCH', path, change)).json(), change)
  t.equal((await send('PATCH', path, { assistantId: null })).status, 200)
  t.notOk('assistantId' in (vapi.numbers[0] ?? {}), 'null clears')
  const refused: [string, string, unknown][] = [
    ['POST', '/phone-number', { ...twilio, number: '+17785550002', twilioAuthToken: undefined }],
    ['POST', '/phone-number', { ...twilio, number: '+17785550002', voice: 'x' }],
    ['POST', '/phone-number', { ...twilio, number: '+17785550002', assistantId: null }],
    ['PATCH', path, { name: 'x'.repeat(41) }],
    ['PATCH', path, { serverUrl: 'https://a.example.com' }],
    ['PATCH', path, { server: { url: 'https://a.example.com', secret: 'x' } }],
    ['PATCH', path, { server: { timeoutSeconds: 301 } }],
    [
      'PATCH',
      path,
      { server: { backoffPlan: { type: 'exponential', maxRetries: 11, baseDelaySeconds: 1 } } },
    ],
    ['PATCH', path, { provider: 'vonage' }],
    ['PATCH', '/phone-number/none', {}],
  ]
  for (const [method, where, body] of refused)
    t.equal((await send(method, where, body)).status, 400, JSON.stringify(body))
  t.equal((await send('PATCH', `/phone-number/${ID}`, {})).status, 404)
  t.equal((await ask(path, { headers: {} })).status, 401)
  t.equal((await ask(path, { method: 'DELETE' })).status, 200)
  t.equal((await ask(path)).status, 404)
})
