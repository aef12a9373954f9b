import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { asOwner, eventually, type Harness, NOW, type TestClient, TOKEN } from '../helper.ts'
import { buildMcp, type McpHarness, post as postMcp } from '../mcp.ts'
import { CALLER, toolMessage } from '../services/tools/kit.ts'

type Json = Record<string, unknown>
interface Assistant {
  server: { headers?: Record<string, string> }
  model: { tools: { type: string; server?: { headers: Record<string, string> } }[] }
}

async function post(app: FastifyInstance, url: string, headers: Record<string, string>, payload: object) {
  const response = await app.inject({
    method: 'POST',
    url,
    headers: { host: 'agent.example.com', ...headers },
    payload,
  })
  return { status: response.statusCode, headers: response.headers, body: response.json() as Json }
}

const ring = (client: TestClient, callId: string, caller?: string) => ({
  message: {
    type: 'assistant-request',
    call: { id: callId },
    phoneNumber: { number: client.number },
    ...(caller && { customer: { number: caller } }),
  },
})

/** A call that has begun: its token, as VAPI was given it. */
async function callOf(h: Harness, client: TestClient, caller: string | undefined = CALLER) {
  const callId = randomUUID()
  const { assistant } = (await h.webhook(ring(client, callId, caller))).json() as { assistant: Assistant }
  const token = assistant.server.headers?.['x-call-token'] ?? ''
  return { callId, token, assistant, headers: { 'x-call-token': token } }
}

const mcpHeaders = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' }
const mcpCall = (name: string, args: Json) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: args },
})

async function start(t: Parameters<typeof buildMcp>[0]) {
  let now = NOW
  const h = await buildMcp(t, { now: () => now })
  const settings = { mcp_tools: { upstream: true } }
  const [own, other] = [await h.addClient({ settings }), await h.addClient({ settings })]
  return { h, own, other, wait: (duration: Temporal.DurationLike) => (now = now.add(duration)) }
}

/** Everything that reached the CRM, by whichever way. */
const touched = (h: McpHarness) => h.crm.exchanges.length + h.upstream.requests.length

t.test('an assistant carries the token of its call, and its MCP tool too', async (t) => {
  const { h, own } = await start(t)
  const { assistant, token, callId } = await callOf(h, own)
  t.match(await h.app.callTokens.read(token), {
    clientId: own.id,
    callId,
    number: own.number,
    caller: CALLER,
  })
  const mcp = assistant.model.tools.find(({ type }) => type === 'mcp')
  t.strictSame(mcp?.server?.headers, {
    'x-phone-number': own.number,
    'x-call-token': token,
    'x-tools': 'upstream',
  })

  const unknown = await h.webhook(ring({ ...own, number: '+19995550100' }, randomUUID()))
  t.notMatch(JSON.stringify(unknown.json()), /x-call-token/, 'nobody’s call has none')
  const nameless = await h.webhook({
    message: { type: 'assistant-request', phoneNumber: { number: own.number } },
  })
  t.match(nameless.json(), { assistant: { name: 'Riverside Plumbing' } })
  t.notMatch(JSON.stringify(nameless.json()), /x-call-token/, 'nor has one without an id')
})

t.test('the token alone is enough, and says who it is', async (t) => {
  const { h, own } = await start(t)
  const { token, callId, headers } = await callOf(h, own)
  const { app } = h
  for (const credential of [headers, { authorization: `Bearer ${token}` }]) {
    const bare = {
      message: { type: 'tool-calls', toolCallList: [{ id: randomUUID(), name: 'find_or_create_contact' }] },
    }
    const used = await post(app, '/vapi/webhooks', credential, bare)
    t.match(
      used,
      { status: 200, body: { results: [{ result: String }] } },
      'the body says nothing of client and caller',
    )
    t.match(await post(app, '/tools/find_or_create_contact', credential, {}), {
      status: 200,
      body: { contact: { phone: CALLER } },
    })
    const mcp = (body: object) =>
      postMcp(app, { host: 'agent.example.com', ...mcpHeaders, ...credential }, body)
    t.match(await mcp({ jsonrpc: '2.0', id: 1, method: 'tools/list' }), { status: 200, body: { result: {} } })
    t.match(await mcp(mcpCall('find_or_create_contact', {})), {
      body: { result: { structuredContent: { contact: { phone: CALLER } } } },
    })
    t.match(
      await post(app, '/vapi/webhooks', credential, {
        message: { type: 'status-update', status: 'in-progress' },
      }),
      { status: 200 },
    )
    t.match(
      await post(app, '/vapi/webhooks', credential, { message: { type: 'transfer-destination-request' } }),
      { status: 200 },
    )
  }
  t.equal(h.crm.location(own.locationId).contacts.length, 1, 'one caller, one contact')
  const [session] = await asOwner(
    app,
  )`select client_id, caller, called_number from voice_sessions where vapi_call_id = ${callId}`
  t.match(session, { client_id: own.id, caller: CALLER, called_number: own.number })
})

t.test('with the token of a call, nothing of another’s', async (t) => {
  const { h, own, other } = await start(t)
  const { headers, callId } = await callOf(h, own)
  const { app } = h
  const foreign = { 'x-phone-number': other.number }
  const before = touched(h)
  const tools = toolMessage(own, [{ name: 'find_or_create_contact' }], { callId })
  const about = (change: Json) => ({ message: { ...tools.message, ...change } })
  const refused: [string, string, Record<string, string>, object][] = [
    ['webhook: number', '/vapi/webhooks', {}, about({ phoneNumber: { number: other.number } })],
    ['webhook: call', '/vapi/webhooks', {}, about({ call: { id: 'another' } })],
    ['webhook: client', '/vapi/webhooks', {}, about({ assistant: { metadata: { clientId: other.id } } })],
    ['webhook: header', '/vapi/webhooks', foreign, tools],
    ['webhook: X-Call-Id', '/vapi/webhooks', { 'x-call-id': 'another' }, tools],
    [
      'transfer: number',
      '/vapi/webhooks',
      {},
      about({ type: 'transfer-destination-request', phoneNumber: { number: other.number } }),
    ],
    ['report: call', '/vapi/webhooks', {}, about({ type: 'end-of-call-report', call: { id: 'another' } })],
    ['REST: client_id', '/tools/find_or_create_contact', {}, { client_id: other.id }],
    [
      'REST: contact_id',
      '/tools/book_appointment',
      {},
      { contact_id: 'SomebodyElse0000001', start_time: '2026-08-21T09:00:00-07:00' },
    ],
    ['REST: header', '/tools/find_or_create_contact', foreign, {}],
    ['REST: X-Call-Id', '/tools/find_or_create_contact', { 'x-call-id': 'another' }, {}],
    [
      'MCP: header',
      '/mcp',
      { ...mcpHeaders, ...foreign },
      mcpCall('contacts_get-contact', { path_contactId: 'x' }),
    ],
    ['MCP: garbage', '/mcp', { ...mcpHeaders, 'x-phone-number': '?' }, mcpCall('contacts_get-contact', {})],
    [
      'MCP: X-Call-Id',
      '/mcp',
      { ...mcpHeaders, 'x-call-id': 'another' },
      mcpCall('find_or_create_contact', {}),
    ],
  ]
  for (const [name, url, more, body] of refused)
    for (const trust of [{}, { authorization: `Bearer ${TOKEN}` }]) {
      const answer = await post(app, url, { ...headers, ...more, ...trust }, body)
      t.equal(answer.status, 403, name)
      if (url !== '/mcp') t.match(answer.body, { code: 'FORBIDDEN', status: 403 }, name)
      else t.match(answer.body, { jsonrpc: '2.0', error: { data: { code: 'FORBIDDEN' } } }, name)
    }
  t.equal(touched(h), before, 'nobody’s CRM has heard of it')
  const rows = await asOwner(
    app,
  )`select from call_events where client_id = any(${[own.id, other.id]}::uuid[])`
  t.equal(rows.length, 0)
})

t.test('the contact of the call is the one that may be named', async (t) => {
  const { h, own } = await start(t)
  const { headers } = await callOf(h, own)
  const book = { start_time: '2026-08-21T09:00:00-07:00', end_time: '2026-08-21T09:30:00-07:00' }
  const made = await post(h.app, '/tools/find_or_create_contact', headers, { client_id: own.id })
  const contact_id = made.body.contactId as string
  t.match(await post(h.app, '/tools/book_appointment', headers, { ...book, contact_id }), { status: 200 })
  t.match(h.crm.location(own.locationId).appointments, [{ contactId: contact_id }])
  const stranger = await callOf(h, own, '+12505550199')
  const foreign = await post(h.app, '/tools/list_appointments', stranger.headers, { contact_id })
  t.equal(foreign.status, 403, 'another caller of the same client is another')
})

t.test('a call’s token opens nothing but its call', async (t) => {
  const { h, own } = await start(t)
  const { headers, token } = await callOf(h, own)
  const { app } = h
  for (const credential of [headers, { authorization: `Bearer ${token}` }, { 'x-vapi-secret': token }]) {
    for (const url of ['/openapi.json', '/admin/clients'])
      t.equal((await app.inject({ url, headers: credential as Record<string, string> })).statusCode, 401, url)
    const answer = await post(
      app,
      '/vapi/webhooks',
      credential as Record<string, string>,
      ring(own, randomUUID()),
    )
    t.equal(answer.status, 401, 'no assistant')
    t.notMatch(JSON.stringify(answer.body), /assistant/)
  }
})

t.test('a token that has expired opens nothing, and keeps out nothing that has a credential', async (t) => {
  const { h, own, wait } = await start(t)
  const { headers, callId } = await callOf(h, own)
  const report = {
    message: {
      type: 'end-of-call-report',
      call: { id: callId },
      phoneNumber: { number: own.number },
      artifact: { transcript: 'AI: Hello.' },
      analysis: { summary: 'late' },
    },
  }
  wait({ seconds: 1_800 + 15 * 60 })
  const alone = await post(h.app, '/vapi/webhooks', headers, report)
  t.match(alone, { status: 401, body: { code: 'UNAUTHORIZED' } })
  const late = await post(h.app, '/vapi/webhooks', { ...headers, authorization: `Bearer ${TOKEN}` }, report)
  t.match(late, { status: 200, body: { received: true } })
  await eventually(
    async () =>
      (await asOwner(h.app)`select from voice_sessions where vapi_call_id = ${callId} and summary = 'late'`)
        .length,
    'the late report',
  )
})

t.test('whatever is wrong with a credential, the answer is the same', async (t) => {
  const { h, own, wait } = await start(t)
  const { headers, token } = await callOf(h, own)
  const [head = '', payload = '', signature = ''] = token.split('.')
  const none = Buffer.from(JSON.stringify({ alg: 'none', kid: '2' })).toString('base64url')
  const wrong: Record<string, string>[] = [
    {},
    { authorization: 'Bearer wrong' },
    { 'x-call-token': 'wrong' },
    { 'x-call-token': `${head}.${payload}.${signature.slice(0, -4)}AAAA` },
    { 'x-call-token': `${none}.${payload}.` },
    { authorization: `Bearer ${none}.${payload}.` },
    { authorization: `Bearer ${TOKEN}`, 'x-call-token': `${none}.${payload}.` },
  ]
  wait({ hours: 2 })
  for (const [url, body] of [
    ['/vapi/webhooks', { message: { type: 'hang' } }],
    ['/tools/find_or_create_contact', {}],
    ['/mcp', mcpCall('find_or_create_contact', {})],
  ] as const) {
    const answers = await Promise.all(
      [...wrong, headers].map((credential) => post(h.app, url, { ...mcpHeaders, ...credential }, body)),
    )
    const [first] = answers.map((answer) => shown(answer))
    for (const answer of answers) t.equal(shown(answer), first, url)
    t.match(first, /401.*Bearer realm=/)
  }
})

const shown = ({ status, headers, body }: Awaited<ReturnType<typeof post>>) =>
  `${status} ${headers['www-authenticate']} ${headers['content-type']} ${JSON.stringify(body).replace(/req-\w+/g, 'id')}`
