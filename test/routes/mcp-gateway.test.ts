import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { eventually } from '../helper.ts'
import { addressOf, buildMcp, callTool, headersFor, rpc, stateless, toolNames } from '../mcp.ts'

const payload = (result: { content: { text: string }[] }) => JSON.parse(result.content[0]?.text ?? '{}')

t.test("the CRM's tools stand beside ours, as far as the default allows", async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const client = await addClient()
  const names = await toolNames(app, client)
  t.strictSame(names.filter((name) => name.includes('-')).sort(), [
    'calendars_get-calendar-events',
    'contacts_add-tags',
    'contacts_create-contact',
    'contacts_get-all-tasks',
    'contacts_get-contact',
    'contacts_get-contacts',
    'conversations_get-messages',
    'locations_get-location',
    'payments_list-transactions',
  ])
  for (const name of ['contacts_remove-tags', 'conversations_send-a-new-message', 'no_such-tool']) {
    const { body } = await rpc(app, client, 'tools/call', { name, arguments: {} })
    t.match(body.error, { code: -32_602 }, `${name} is not there for it`)
  }
  t.equal(
    upstream.requests.filter(({ body }) => body?.method === 'tools/call').length,
    0,
    'none was forwarded',
  )
})

t.test('a client says which of them, or that there are none', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const some = await addClient({
    settings: { mcp_tools: { allow: ['conversations_send-a-new-message', 'contacts_*'] } },
  })
  const names = (await toolNames(app, some)).filter((name) => name.includes('-'))
  t.ok(names.includes('conversations_send-a-new-message'))
  t.ok(names.includes('contacts_create-contact'))
  t.notOk(names.includes('contacts_remove-tags'), 'a prefix does not allow to delete')
  t.notOk(names.includes('locations_get-location'))
  const named = await addClient({ settings: { mcp_tools: { allow: ['contacts_remove-tags'] } } })
  t.ok((await toolNames(app, named)).includes('contacts_remove-tags'), 'its name does')

  const seen = upstream.requests.length
  const none = await addClient({ settings: { mcp_tools: { upstream: false } } })
  t.strictSame(await toolNames(app, none), [...app.services.catalogue.keys()])
  t.match((await rpc(app, none, 'tools/call', { name: 'contacts_get-contact' })).body.error, {
    code: -32_602,
  })
  t.equal(upstream.requests.length, seen, 'nobody was asked')

  t.notOk(
    (await toolNames(app, some, { 'x-tools': 'upstream' })).includes('book_appointment'),
    "an assistant's list",
  )
})

t.test('where both have a name, ours wins', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const inputSchema = { type: 'object' as const }
  upstream.behave({
    extraTools: [{ name: 'find_or_create_contact', inputSchema, annotations: { readOnlyHint: true } }],
  })
  const client = await addClient()
  const names = await toolNames(app, client)
  t.equal(names.filter((name) => name === 'find_or_create_contact').length, 1)
  const result = await callTool(app, client, 'find_or_create_contact', {
    name: 'Ann Lee',
    email: 'ann@example.com',
  })
  t.match(result.structuredContent, { contactId: String })
  t.equal(upstream.requests.filter(({ body }) => body?.method === 'tools/call').length, 0)
})

t.test('the model neither sees nor says whose account it is', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const client = await addClient()
  const { body } = await rpc(app, client, 'tools/list')
  t.notMatch(JSON.stringify(body.result), /location_?id|altId/i)
  const { given } = payload(await callTool(app, client, 'payments_list-transactions')).data
  t.strictSame(given, { query_altId: client.locationId, query_altType: 'location' }, 'it is filled in')

  const elsewhere = 'AnotherLocation00001'
  await callTool(app, client, 'contacts_create-contact', {
    body_locationId: elsewhere,
    query_LOCATION_ID: elsewhere,
    'Location-Id': elsewhere,
    body_customFields: [{ deep: { subAccountId: elsewhere, locationIds: [elsewhere, elsewhere] } }],
    body_raw: JSON.stringify({ locationId: elsewhere }),
    body_firstName: 'Ann',
  })
  const sent = JSON.stringify(upstream.requests.at(-1)?.body)
  t.notMatch(sent, elsewhere)
  t.match(upstream.requests.at(-1)?.body?.params?.arguments, {
    body_locationId: client.locationId,
    body_firstName: 'Ann',
    body_customFields: [{ deep: { locationIds: [client.locationId] } }],
  })
})

t.test('of what a caller sends, only name and arguments go on', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const client = await addClient()
  const other = await addClient()
  await callTool(
    app,
    client,
    'contacts_get-contact',
    { path_contactId: 'c1' },
    {
      locationid: other.locationId,
      cookie: 'session=secret',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'evil.example.com',
      'x-call-id': 'call-1',
      'user-agent': 'caller',
      'proxy-authorization': 'Basic c2VjcmV0',
    },
  )
  for (const { headers } of upstream.requests) {
    t.strictSame(Object.keys(headers).sort(), [
      'accept',
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'locationid',
      'mcp-protocol-version',
    ])
    t.equal(headers.authorization, `Bearer ${client.token}`)
    t.equal(headers.locationid, client.locationId)
  }
  t.strictSame(upstream.requests.at(-1)?.body, {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'contacts_get-contact', arguments: { path_contactId: 'c1' } },
  })
})

t.test('the list is fetched once, and served when the CRM is away', async (t) => {
  const { app, addClient, upstream, logs } = await buildMcp(t)
  const client = await addClient()
  const lists = () => upstream.requests.filter(({ body }) => body?.method === 'tools/list').length
  const first = await toolNames(app, client)
  await Promise.all([toolNames(app, client), toolNames(app, client)])
  t.equal(lists(), 1)

  upstream.behave({ status: 500 })
  t.strictSame(await toolNames(app, client), first, 'known: as before')
  const stranger = await addClient()
  t.strictSame(await toolNames(app, stranger), [...app.services.catalogue.keys()], 'never seen: ours')
  t.ok(logs.some(({ msg, client: id }) => /does not tell its tools/.test(String(msg)) && id === stranger.id))
  upstream.behave({})
  t.strictSame(await toolNames(app, stranger), first, 'and again when it is back')
})

t.test('failures of the CRM are results in our words', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const client = await addClient()
  await toolNames(app, client)
  let visits = 0
  const other = createServer((_request, response) => {
    visits += 1
    response.end('{}')
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`

  for (const [what, behaviour] of [
    ['a redirect', { redirectTo: elsewhere }],
    ['a failure', { status: 502 }],
    ['a refusal', { status: 403 }],
    [
      'an answer beyond all measure',
      { result: { content: [{ type: 'text' as const, text: 'x'.repeat(9_000_000) }] } },
    ],
  ] as const) {
    upstream.behave(behaviour)
    const result = await callTool(app, client, 'contacts_add-tags', { path_contactId: 'c1' })
    t.match(
      result,
      { isError: true, content: [{ type: 'text', text: /Offer to take a message|Apologise/ }] },
      what,
    )
    t.notMatch(JSON.stringify(result), /private|502|403/, what)
  }
  t.equal(visits, 0, 'the redirect was not followed')
})

t.test('a refused token is not for the model to hear', async (t) => {
  const { app, addClient, logs } = await buildMcp(t)
  const client = await addClient()
  await app.sql`update clients set ghl_token = 'pit-revoked' where id = ${client.id}`
  await eventually(
    async () => (await app.clients.byId(client.id)).client?.crm.token === 'pit-revoked',
    'the change',
  )
  const number = await eventually(async () => {
    const found = await app.clients.byNumber(client.number)
    return found.client?.crm.token === 'pit-revoked' && found.client.number
  }, 'the change by number')
  const result = await callTool(app, { number }, 'contacts_get-contact', { path_contactId: 'c1' })
  t.match(result, { isError: true })
  t.notMatch(JSON.stringify(result), /token|401/i)
  t.match(
    logs.find(({ msg }) => msg === 'a forwarded tool failed'),
    { client: client.id, code: 'CRM_REFUSED' },
  )
  t.notMatch(JSON.stringify(logs), 'pit-revoked')
})

t.test('reading is tried twice, writing once', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const client = await addClient()
  await toolNames(app, client)
  upstream.behave({ status: 503 })
  const before = upstream.requests.length
  await callTool(app, client, 'contacts_get-contact', { path_contactId: 'c1' })
  t.equal(upstream.requests.length - before, 2)
  await callTool(app, client, 'contacts_create-contact', { body_firstName: 'Ann' })
  t.equal(upstream.requests.length - before, 3)
})

t.test('large results are cut', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const usual = await addClient()
  const narrow = await addClient({ settings: { mcp_tools: { max_result_bytes: 2_048 } } })
  upstream.behave({ result: { content: [{ type: 'text', text: 'é'.repeat(60_000) }] } })
  for (const [client, max] of [
    [usual, 32 * 1024],
    [narrow, 2_048],
  ] as const) {
    const { content } = await callTool(app, client, 'contacts_get-contacts')
    const bytes = content.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
    t.ok(bytes <= max && bytes > max - 8, `${bytes} of ${max}`)
    t.match(content.at(-1)?.text, /^\[Cut: the result has 118 KiB/)
  }
})

t.test('whatever form its events have, they are understood and passed on as they come', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const client = await addClient()
  await toolNames(app, client)
  const url = `${await addressOf(app)}/mcp`
  const arguments_ = { path_contactId: 'Zoë 😀' }
  for (const lineEnding of ['\n', '\r\n', '\r'] as const) {
    upstream.behave({ oneByte: true, untidy: true, lineEnding, progress: 3 })
    const plain = {
      jsonrpc: '2.0',
      id: 'a',
      method: 'tools/call',
      params: { name: 'contacts_get-contact', arguments: arguments_, _meta: { progressToken: 'mine' } },
    }
    const modern = stateless('tools/call', {
      name: 'contacts_get-contact',
      arguments: arguments_,
      _meta: { progressToken: 'mine' },
    })
    for (const { headers, message } of [{ headers: {}, message: plain }, modern]) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headersFor(client), ...headers },
        body: JSON.stringify(message),
      })
      const events = (await response.text()).split('\n').filter((line) => line.startsWith('data: '))
      const messages = events.map((line) => JSON.parse(line.slice(6)))
      t.match(
        messages.slice(0, -1),
        [1, 2, 3].map((progress) => ({
          method: 'notifications/progress',
          params: { progressToken: 'mine', progress, total: 3, message: `step ${progress}` },
        })),
        JSON.stringify(lineEnding),
      )
      t.match(payload(messages.at(-1).result).data.given, arguments_)
    }
  }
})

t.test('progress arrives while the call is under way, and a caller who hangs up ends it', async (t) => {
  const { app, addClient, upstream, logs } = await buildMcp(t)
  const client = await addClient()
  await toolNames(app, client)
  const url = `${await addressOf(app)}/mcp`
  upstream.behave({ hang: true, progress: 1 })
  const params = {
    name: 'contacts_add-tags',
    arguments: { path_contactId: 'c1' },
    _meta: { progressToken: 1 },
  }
  const plain = { headers: {}, message: { jsonrpc: '2.0', id: 1, method: 'tools/call', params } }
  for (const { headers, message } of [plain, stateless('tools/call', params)]) {
    const leaving = new AbortController()
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headersFor(client), ...headers },
      body: JSON.stringify(message),
      signal: leaving.signal,
    })
    const reader = response.body?.getReader()
    t.match(Buffer.from((await reader?.read())?.value ?? []).toString(), /"step 1"/)
    const asked = upstream.requests.at(-1)
    t.notOk(asked?.aborted)
    leaving.abort()
    await eventually(() => asked?.aborted, 'the end of the upstream request')
  }
  const lines = () => logs.filter((line) => line.msg === 'request' && line.operation === 'mcp.tools/call')
  await eventually(() => lines().length >= 2, 'the lines of the log')
  t.match(lines(), [{ status: 499 }, { status: 499 }])
  t.equal(lines().length, 2)
  t.equal(logs.filter(({ level }) => Number(level) >= 40).length, 0, 'nothing went wrong')
})
