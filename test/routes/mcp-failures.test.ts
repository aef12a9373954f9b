import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Behaviour } from '../../sandbox/ghl-mcp.ts'
import { asOwner, eventually } from '../helper.ts'
import { buildMcp, callTool, offeredBy, toolNames } from '../mcp.ts'

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
  t.strictSame(await toolNames(app, stranger), offeredBy(app), 'never seen: ours')
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

  const cases: [string, Behaviour][] = [
    ['a redirect', { redirectTo: elsewhere }],
    ['a failure', { status: 502 }],
    ['a refusal', { status: 403 }],
    [
      'an answer beyond all measure',
      { result: { content: [{ type: 'text', text: 'x'.repeat(9_000_000) }] } },
    ],
  ]
  for (const [what, behaviour] of cases) {
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
  await asOwner(app)`update clients set ghl_token = 'pit-revoked' where id = ${client.id}`
  await eventually(
    async () => (await app.clients.byNumber(client.number)).client?.crm.token === 'pit-revoked',
    'the change',
  )
  const result = await callTool(app, client, 'contacts_get-contact', { path_contactId: 'c1' })
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
