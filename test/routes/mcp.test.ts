import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import t from 'tap'
import { TOKEN } from '../helper.ts'
import {
  addressOf,
  buildMcp,
  callTool,
  headersFor,
  offeredBy,
  post,
  REVISIONS,
  rpc,
  STATELESS,
  stateless,
  toolNames,
} from '../mcp.ts'

const PING = { jsonrpc: '2.0', id: 7, method: 'tools/list', params: {} }

t.test('every failure on the path is told in JSON-RPC', async (t) => {
  const { app, addClient, logs } = await buildMcp(t)
  const client = await addClient()
  const paused = await addClient({ status: 'paused' })
  const good = headersFor(client)
  const without = (name: string) => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name))

  const cases: [string, Record<string, string>, unknown, number, number, unknown][] = [
    ['no credential', without('authorization'), PING, 401, -32_000, null],
    ['a wrong credential', { ...good, authorization: 'Bearer wrong' }, PING, 401, -32_000, null],
    ['a foreign Host', { ...good, host: 'evil.example.com' }, PING, 403, -32_000, null],
    ['a foreign Origin', { ...good, origin: 'https://evil.example.com' }, PING, 403, -32_000, null],
    ['an Origin that is none', { ...good, origin: 'null' }, PING, 403, -32_000, null],
    ['no number', without('x-phone-number'), PING, 400, -32_600, 7],
    ['an unknown number', { ...good, 'x-phone-number': '+19995550000' }, PING, 404, -32_000, 7],
    ['a paused client', { ...good, 'x-phone-number': paused.number }, PING, 409, -32_000, 7],
    ['a caller who takes no events', { ...good, accept: 'application/json' }, PING, 406, -32_000, null],
    ['text', { ...good, 'content-type': 'text/plain' }, PING, 415, -32_000, null],
    ['no type', without('content-type'), PING, 415, -32_000, null],
    ['no JSON', good, '{"jsonrpc":', 400, -32_700, null],
    ['nothing', good, '', 400, -32_700, null],
    ['a poisoned prototype', good, '{"__proto__":{"x":1},"id":7}', 400, -32_700, null],
    ['too much', good, { ...PING, params: { text: 'x'.repeat(1_100_000) } }, 413, -32_000, null],
    ['a batch', good, [PING, PING], 400, -32_600, null],
    ['an empty batch', good, [], 400, -32_600, null],
    ['no message', good, { hello: 'there' }, 400, -32_600, null],
    ['an unknown revision', { ...good, 'mcp-protocol-version': '1999-01-01' }, PING, 400, -32_000, null],
  ]
  for (const [what, headers, body, status, code, id] of cases) {
    const answer = await post(app, headers, body)
    t.equal(answer.status, status, `${what}: ${status}`)
    t.match(answer.type, 'application/json', `${what}: JSON`)
    t.match(answer.body, { jsonrpc: '2.0', id, error: { code, message: String } }, `${what}: ${code}`)
  }
  t.match((await post(app, without('authorization'), PING)).headers['www-authenticate'], /^Bearer realm=/)
  t.notMatch(JSON.stringify(logs), TOKEN, 'no token is logged')
})

t.test('POST is the only method', async (t) => {
  const { app, addClient } = await buildMcp(t)
  const headers = headersFor(await addClient())
  for (const method of ['GET', 'HEAD', 'DELETE', 'PUT', 'PATCH', 'OPTIONS'] as const) {
    const response = await app.inject({
      method,
      url: '/mcp',
      headers,
      ...(method === 'PUT' && { payload: '{' }),
    })
    t.equal(response.statusCode, 405, method)
    t.equal(response.headers.allow, 'POST')
    if (method !== 'HEAD') t.match(response.json(), { jsonrpc: '2.0', id: null, error: { code: -32_000 } })
  }
})

t.test('hosts and origins that are ours are welcome', async (t) => {
  const { app, addClient } = await buildMcp(t)
  const headers = headersFor(await addClient())
  for (const host of ['agent.example.com', 'localhost:3000', '127.0.0.1:80', '[::1]:3000']) {
    t.equal((await post(app, { ...headers, host }, PING)).status, 200, host)
  }
  const own = { ...headers, host: 'agent.example.com', origin: 'https://agent.example.com' }
  t.equal((await post(app, own, PING)).status, 200)
})

t.test('a database that is away is told as such', async (t) => {
  const { app, addClient } = await buildMcp(t)
  const client = await addClient()
  await app.sql.end()
  const answer = await rpc(app, client, 'tools/list')
  t.equal(answer.status, 503)
  t.match(answer.body, {
    jsonrpc: '2.0',
    id: 1,
    error: { code: -32_000, data: { code: 'DATABASE_UNAVAILABLE' } },
  })
})

t.test('each revision with a handshake gets what it asks for', async (t) => {
  const { app, addClient } = await buildMcp(t)
  const client = await addClient()
  for (const revision of REVISIONS) {
    const hello = { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    const { body } = await rpc(app, client, 'initialize', hello)
    t.match(body.result, { protocolVersion: revision, capabilities: { tools: {} } })
    t.strictSame(Object.keys(body.result?.capabilities as object), ['tools'], 'tools are all there is')
    const noted = await post(
      app,
      { ...headersFor(client), 'mcp-protocol-version': revision },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
    )
    t.equal(noted.status, 202)
    const listed = await rpc(app, client, 'tools/list', {}, { 'mcp-protocol-version': revision })
    t.equal(listed.status, 200)
    t.equal(listed.headers['mcp-session-id'], undefined, 'no session')
  }
})

t.test('the stateless revision is spoken at the same address', async (t) => {
  const { app, addClient } = await buildMcp(t)
  const client = await addClient()
  const send = (method: string, params?: Record<string, unknown>) => {
    const { headers, message } = stateless(method, params)
    return post(app, { ...headersFor(client), ...headers }, message)
  }
  t.match((await send('server/discover')).body.result, {
    supportedVersions: [STATELESS],
    capabilities: { tools: {} },
  })
  t.match((await send('tools/list')).body.result, { resultType: 'complete', cacheScope: 'private' })
  t.match(
    (await send('tools/call', { name: 'contacts_get-contact', arguments: { path_contactId: 'c1' } })).body,
    {
      result: { content: [{ type: 'text' }] },
    },
  )
  t.match(await send('tools/call', { name: 'nothing_like-it' }), { body: { error: { code: -32_602 } } })
  t.match(await send('prompts/list'), { status: 404, body: { error: { code: -32_601 } } })
})

t.test('our tools are listed with their schemas and answer as text and as data', async (t) => {
  const { app, addClient, crm } = await buildMcp(t)
  const client = await addClient()
  const { body } = await rpc(app, client, 'tools/list')
  const tools = body.result?.tools as { name: string; inputSchema: object; outputSchema: object }[]
  // Only callers who are asked have something to answer.
  const offered = offeredBy(app)
  t.strictSame(
    tools.slice(0, offered.length).map(({ name }) => name),
    offered,
  )
  const find = tools.find(({ name }) => name === 'find_or_create_contact')
  t.match(find, {
    inputSchema: { type: 'object', properties: { name: { type: 'string' } } },
    outputSchema: { type: 'object' },
  })

  const made = await callTool(app, client, 'find_or_create_contact', {
    name: 'Ann Lee',
    phone: '+12505550188',
    locationId: 'somebody-elses',
    client_id: 'somebody-elses',
  })
  t.match(made, {
    content: [{ type: 'text', text: String }],
    structuredContent: { contact: { name: 'Ann Lee' } },
  })
  t.equal(crm.location(client.locationId).contacts.length, 1)

  const wrong = await callTool(app, client, 'find_or_create_contact', { email: 'no address' })
  t.match(wrong, { isError: true, content: [{ type: 'text', text: /e-?mail/i }] })
})

t.test('without a calendar nothing can be booked', async (t) => {
  const { app, addClient } = await buildMcp(t)
  const names = await toolNames(app, await addClient({ calendar_id: null }))
  t.ok(names.includes('find_or_create_contact'))
  t.notOk(names.includes('book_appointment'))
})

t.test('one line a request, with client, call and what was done', async (t) => {
  const { app, addClient, logs } = await buildMcp(t)
  const client = await addClient()
  await rpc(app, client, 'tools/list', {}, { 'x-call-id': 'call-17' })
  await rpc(app, client, 'made/up', {}, { 'x-call-id': 'call-17' })
  const lines = logs.filter(({ msg }) => msg === 'request')
  t.match(lines, [
    { operation: 'mcp.tools/list', client: client.id, call: 'call-17', status: 200, ms: Number },
    { operation: 'mcp.other', client: client.id, call: 'call-17', status: 200 },
  ])
  t.equal(lines.length, 2)
})

t.test('the official client works with it, by handshake and without', async (t) => {
  const { app, addClient } = await buildMcp(t)
  const client = await addClient()
  const url = new URL(`${await addressOf(app)}/mcp`)
  for (const mode of ['legacy', 'auto'] as const) {
    const mcp = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
    const { authorization, 'x-phone-number': number } = headersFor(client)
    const requestInit = { headers: { authorization, 'x-phone-number': number } }
    await mcp.connect(new StreamableHTTPClientTransport(url, { requestInit }))
    t.equal(mcp.getNegotiatedProtocolVersion(), mode === 'legacy' ? '2025-11-25' : STATELESS, mode)
    t.ok((await mcp.listTools()).tools.length > 3)
    const steps: number[] = []
    const result = await mcp.callTool(
      { name: 'contacts_get-contact', arguments: { path_contactId: 'c9' } },
      { onprogress: ({ progress }) => void steps.push(progress) },
    )
    t.match(result.content, [{ type: 'text', text: /c9/ }])
    await mcp.close()
  }
})
