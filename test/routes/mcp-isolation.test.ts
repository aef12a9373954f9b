import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { buildMcp, callTool, toolNames } from '../mcp.ts'

t.test('100 clients with 20 calls each at once: every answer is its own', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const clients = await Promise.all(Array.from({ length: 100 }, () => addClient()))
  // As VAPI does it: each call begins with the list.
  await Promise.all(clients.map((client) => toolNames(app, client)))
  const calls = clients.flatMap((client) =>
    Array.from({ length: 20 }, () => ({ client, nonce: String(randomUUID()) })),
  )
  let wrong = 0
  let waiting = calls
  // A busy machine may be too slow for some; those are told so, and ask again as anybody would.
  const deadline = performance.now() + 90_000
  while (waiting.length > 0 && performance.now() < deadline) {
    const answers = await Promise.all(
      waiting.map(async ({ client, nonce }) => ({
        client,
        nonce,
        answer: await callTool(app, client, 'contacts_get-contact', { path_contactId: nonce }),
      })),
    )
    const told = answers.filter(({ answer }) => !answer.isError)
    for (const { client, nonce, answer } of told) {
      const { data } = JSON.parse(answer.content[0]?.text ?? '')
      if (data.given.path_contactId !== nonce || data.locationId !== client.locationId) wrong += 1
    }
    waiting = answers.filter(({ answer }) => answer.isError)
    // As long as it takes for a door that was found closed to be tried again.
    if (waiting.length > 0) await pause(1_000)
  }
  t.equal(waiting.length, 0, 'all were answered')
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
