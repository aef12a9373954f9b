import { randomUUID } from 'node:crypto'
import t from 'tap'
import { buildMcp, callTool, toolNames } from '../mcp.ts'

t.test('100 clients with 20 calls each at once: every answer is its own', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const clients = await Promise.all(Array.from({ length: 100 }, () => addClient()))
  // As VAPI does it: each call begins with the list.
  await Promise.all(clients.map((client) => toolNames(app, client)))
  const calls = clients.flatMap((client) =>
    Array.from({ length: 20 }, () => ({ client, nonce: randomUUID() })),
  )
  const answers = await Promise.all(
    calls.map(({ client, nonce }) =>
      callTool(app, client, 'contacts_get-contact', { path_contactId: nonce }),
    ),
  )
  let wrong = 0
  for (const [index, { client, nonce }] of calls.entries()) {
    const said = JSON.parse(answers[index]?.content[0]?.text ?? '{}')
    const own = said.data?.given?.path_contactId === nonce && said.data?.locationId === client.locationId
    if (!own) wrong += 1
  }
  t.equal(wrong, 0, 'no answer reached another')

  const forwarded = upstream.requests.filter(({ body }) => body?.method === 'tools/call')
  // Reading that takes too long is tried again.
  t.equal(new Set(forwarded.map(({ body }) => body?.params?.arguments?.path_contactId)).size, 2_000)
  const owner = new Map(calls.map(({ client, nonce }) => [nonce, client]))
  const strayed = forwarded.filter(({ headers, body }) => {
    const client = owner.get(String(body?.params?.arguments?.path_contactId))
    return headers.authorization !== `Bearer ${client?.token}` || headers.locationid !== client?.locationId
  })
  t.equal(strayed.length, 0, 'and none was asked in the name of another')
  t.equal(upstream.requests.length - forwarded.length, 100, 'one list for each')
})
