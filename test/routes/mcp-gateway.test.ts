import t from 'tap'
import { buildMcp, callTool, offeredBy, rpc, toolNames } from '../mcp.ts'

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
  t.strictSame(await toolNames(app, none), offeredBy(app))
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
