import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { asOwner, build, createTestDatabase, eventually, NOW, TOKEN } from '../../helper.ts'
import { addressOf } from '../../mcp.ts'
import { startProxy } from '../../proxy.ts'
import { requestsTo, toolMessage } from '../../services/tools/kit.ts'

const SECRET = `whsec_${Buffer.from('the secret that VAPI signs with').toString('base64')}`
const OTHER = 'the secret after the next rotation'
const HMAC = { VAPI_WEBHOOK_TOKEN: undefined, VAPI_HMAC_SECRET: `${SECRET},${OTHER}` }
const HANG = { message: { type: 'hang' } }

interface Signing {
  id?: string
  secret?: string
  at?: Temporal.Instant
}

/** Headers of a signed body, by the reference implementation. */
function sign(
  body: string,
  { id = randomUUID(), secret = SECRET, at = NOW }: Signing = {},
): Record<string, string> {
  const webhook = new Webhook(secret, secret === SECRET ? undefined : { format: 'raw' })
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.epochMilliseconds / 1_000)),
    'webhook-signature': webhook.sign(id, new Date(at.epochMilliseconds), body),
  }
}

async function send(app: FastifyInstance, body: object | string, headers: Record<string, string>) {
  const payload = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await app.inject({ method: 'POST', url: '/vapi/webhooks', headers, payload })
  return { status: response.statusCode, body: response.json() as Record<string, unknown> }
}
const signed = (app: FastifyInstance, body: object, signing?: Signing) =>
  send(app, body, sign(JSON.stringify(body), signing))

t.test('a signature opens the webhook, with any of the secrets', async (t) => {
  const { app, logs } = await build(t, { env: HMAC })
  t.match(await signed(app, HANG), { status: 200, body: { received: true } })
  t.match(await signed(app, HANG, { secret: OTHER }), { status: 200 })
  t.match(await signed(app, HANG, { secret: 'a third' }), { status: 401 })
  t.match(await send(app, HANG, { authorization: `Bearer ${TOKEN}` }), { status: 401 })
  t.match(await send(app, HANG, {}), { status: 401 })
  t.notMatch(JSON.stringify(logs), /AUTHENTICATION IS OFF/)
})

t.test('beside it, bearer and X-Vapi-Secret stay', async (t) => {
  const { app } = await build(t, { env: { VAPI_HMAC_SECRET: SECRET } })
  const text = JSON.stringify(HANG)
  for (const credential of [{ authorization: `Bearer ${TOKEN}` }, { 'x-vapi-secret': TOKEN }, sign(text)])
    t.match(await send(app, text, credential as Record<string, string>), { status: 200 })
  t.match(
    await send(app, text, { ...sign(text, { secret: 'a third' }), 'x-vapi-secret': TOKEN }),
    { status: 200 },
    'one is enough',
  )
})

t.test('without the variable a signature is nothing', async (t) => {
  const { app } = await build(t)
  t.match(await signed(app, HANG), { status: 401 })
})

t.test(
  'the bytes that came are what is signed, and they are held against it before they are parsed',
  async (t) => {
    const { app } = await build(t, { env: HMAC })
    const odd = '{ "message" : {"type":"hang", "x": 1.0, "type":"hang" } }\n'
    t.match(await send(app, odd, sign(odd)), { status: 200 }, 'spaces, doubles and all')
    t.match(
      await send(app, JSON.stringify(JSON.parse(odd)), sign(odd)),
      { status: 401 },
      'the same in other bytes',
    )
    t.match(await send(app, '{', sign('{}')), { status: 401 }, 'not "is not JSON"')
    t.match(await send(app, '{', sign('{')), { status: 400 }, 'signed rubbish')
    t.match(await send(app, '', sign('')), { status: 400 }, 'signed emptiness')
    t.match(await send(app, '', sign('{}')), { status: 401 })
    const bodyless = await app.inject({
      method: 'POST',
      url: '/vapi/webhooks',
      headers: without(sign('{}'), 'content-type'),
    })
    t.equal(bodyless.statusCode, 401)
    const big = JSON.stringify({ message: { type: 'hang', x: 'x'.repeat(16 * 1_048_576) } })
    t.match(await send(app, big, sign(big)), { status: 413 })
  },
)

t.test('what is no signature, or an old one, is sent away before the body is read', async (t) => {
  const { app } = await build(t, { env: HMAC })
  const { port } = new URL(await addressOf(app))
  for (const headers of [
    {},
    sign('{}', { at: NOW.subtract({ minutes: 6 }) }),
    sign('{}', { at: NOW.add({ minutes: 6 }) }),
  ]) {
    const socket = connect(Number(port), '127.0.0.1')
    t.teardown(() => socket.destroy())
    const lines = Object.entries({ host: 'x', 'content-length': '1000000', ...headers }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    )
    // A body is promised and never comes.
    socket.write(`POST /vapi/webhooks HTTP/1.1\r\n${lines.join('')}\r\n`)
    const answer = await new Promise<string>((resolve, reject) => {
      socket.once('data', (chunk) => resolve(chunk.toString()))
      socket.once('error', reject)
      socket.once('end', () => reject(new Error('closed without an answer')))
    })
    t.match(answer, /^HTTP\/1\.1 401 /)
  }
})

t.test('what comes again under its id has no effect, on whatever instance', async (t) => {
  const first = await build(t, { env: HMAC })
  const second = await build(t, { env: { ...HMAC, GHL_BASE_URL: first.crm.url } })
  const client = await first.addClient()
  const ring = {
    message: {
      type: 'assistant-request',
      call: { id: randomUUID() },
      phoneNumber: { number: client.number },
    },
  }
  const use = toolMessage(client, [{ name: 'find_or_create_contact', args: { name: 'Ann Lee' } }])
  const status = {
    message: {
      type: 'status-update',
      status: 'in-progress',
      call: { id: randomUUID() },
      phoneNumber: { number: client.number },
    },
  }
  for (const [message, answer] of [
    [ring, { assistant: {} }],
    [use, { results: [{ result: String }] }],
    [status, { received: true }],
  ] as const) {
    const id = randomUUID()
    t.match(await signed(first.app, message, { id }), { status: 200, body: answer })
    const before = requestsTo(first).length
    const [{ events } = {}] = await asOwner(first.app)`select count(*)::int as events from call_events`
    for (const { app } of [first, second]) {
      t.strictSame(await signed(app, message, { id }), { status: 200, body: {} }, message.message.type)
      const later = NOW.add({ minutes: 4 })
      t.strictSame(await signed(app, message, { id, at: later }), { status: 200, body: {} }, 'signed anew')
    }
    t.equal(requestsTo(first).length, before, 'no tool ran')
    t.match(await asOwner(first.app)`select count(*)::int as events from call_events`, [{ events }])
    t.match(await signed(second.app, message), { status: 200, body: answer }, 'another id is another message')
  }
})

t.test('an id counts only when its delivery was answered with success', async (t) => {
  const databaseUrl = await createTestDatabase()
  const proxy = await startProxy(databaseUrl)
  t.teardown(() => proxy.close())
  const h = await build(t, { env: HMAC, databaseUrl: proxy.url })
  t.teardown(() => proxy.accept())
  const client = await h.addClient()
  const callId = randomUUID()
  const message = {
    message: {
      type: 'end-of-call-report',
      call: { id: callId },
      phoneNumber: { number: client.number },
      analysis: { summary: 'told in the end' },
    },
  }
  const ring = { message: { type: 'assistant-request', phoneNumber: { number: client.number } } }
  await eventually(
    async () => (await signed(h.app, ring)) && h.app.clients.size.current > 0,
    'a client in memory',
  )
  const id = randomUUID()
  proxy.refuse()
  t.match(await signed(h.app, message, { id }), { status: 503 })
  proxy.accept()
  const taken = await eventually(async () => {
    const answer = await signed(h.app, message, { id })
    return answer.status !== 503 && answer
  }, 'the database to be back')
  t.match(taken, { status: 200, body: { received: true } }, 'the retry is taken')
  const [row] = await asOwner(h.app)`select summary from voice_sessions where vapi_call_id = ${callId}`
  t.match(row, { summary: 'told in the end' })
  t.strictSame(await signed(h.app, message, { id }), { status: 200, body: {} }, 'and then it counts')

  proxy.refuse()
  const ringId = randomUUID()
  t.match(
    await signed(h.app, ring, { id: ringId }),
    { status: 200, body: { assistant: {} } },
    'a call is answered all the same',
  )
  t.strictSame(
    await signed(h.app, ring, { id: ringId }),
    { status: 200, body: {} },
    'and a repetition known from memory',
  )
})

const without = (headers: Record<string, string>, name: string) =>
  Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name))
