import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import requestLog from '../../plugins/request-log.ts'
import { ADMIN_TOKEN, build, NOW, type TestClient, TOKEN } from '../helper.ts'

/** Who may call what. A route whose operation stands in no line fails; one may stand here before its route does. */
const AUDIENCES = {
  /** Anybody, or whoever holds an address that is a credential itself. */
  everybody: ['health.live', 'health.ready', 'recordings.open', 'ghl.oauth.callback'],
  /** VAPI, and an assistant in its call. */
  vapi: ['vapi.webhook'],
  /** An assistant in its call, and programs that are trusted. */
  assistants: [
    ...['mcp', 'mcp.method-refused'],
    ...['tools.find_or_create_contact', 'tools.check_availability', 'tools.book_appointment'],
    ...['tools.list_appointments', 'tools.reschedule_appointment', 'tools.cancel_appointment'],
    ...['tools.send_sms', 'tools.take_message', 'tools.record_consent'],
  ],
  /** Programs that are trusted, their authors, and operators. */
  readers: ['docs.openapi', 'docs.page', 'docs.file'],
  operators: [
    ...['admin.clients.add', 'admin.clients.list', 'admin.clients.show', 'admin.clients.change'],
    ...['admin.clients.remove', 'admin.clients.check', 'admin.audit', 'admin.completeness'],
    ...['admin.calls.list', 'admin.calls.show'],
    ...['admin.jobs.list', 'admin.jobs.show', 'admin.jobs.retry', 'admin.ghl.oauth.start', 'metrics'],
    ...['admin.erasures.request', 'admin.erasures.show'],
  ],
} as const
type Audience = keyof typeof AUDIENCES

const audienceOf = new Map(
  (Object.keys(AUDIENCES) as Audience[]).flatMap((audience) =>
    AUDIENCES[audience].map((operation): [string, Audience] => [operation, audience]),
  ),
)

type Headers = Record<string, string>
const SECRET = `whsec_${Buffer.from('the secret that VAPI signs with').toString('base64')}`
const BODY = JSON.stringify({ message: { type: 'hang' } })
/** A list of documents is longer than a stranger may ask for in a minute. */
const UNLIMITED = { max: 1_000_000, timeWindow: 60_000 }

/** As a browser sends what its user typed. */
const basic = (password: string) => `Basic ${Buffer.from(`anybody:${password}`).toString('base64')}`

function signed(secret: string, at: Temporal.Instant, body = BODY): Headers {
  const id = randomUUID()
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.epochMilliseconds / 1_000)),
    'webhook-signature': new Webhook(secret).sign(id, new Date(at.epochMilliseconds), body),
  }
}

/** A server with all of its doors, and two clients with a call each. */
async function start(t: Parameters<typeof build>[0]) {
  let now = NOW
  const h = await build(t, {
    now: () => now,
    env: { VAPI_HMAC_SECRET: SECRET, GHL_CLIENT_ID: 'app', GHL_CLIENT_SECRET: 'app-secret' },
    overrides: { limits: { limits: { strangers: UNLIMITED, guesses: UNLIMITED, operators: UNLIMITED } } },
  })
  const [own, other] = [await h.addClient(), await h.addClient()]
  const tokenFor = async ({ id }: TestClient) => {
    const { client } = await h.app.clients.byId(id)
    return (client && (await h.app.callTokens.mint(client, randomUUID(), undefined))) ?? ''
  }
  const expired = await tokenFor(own)
  now = NOW.add({ hours: 3 })
  const token = await tokenFor(own)

  async function ask(route: string, headers: Headers) {
    const [method, path = ''] = route.split(' ') as ['GET', string]
    const url = path.replaceAll(/:\w+|\*/g, () => randomUUID())
    const withBody = !['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(method)
    return h.app.inject({
      method,
      url,
      headers: {
        host: 'agent.example.com',
        ...(withBody && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(withBody && { payload: BODY }),
    })
  }

  const [head, payload, signature = ''] = token.split('.')
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  /** What opens nothing. */
  const wrong: Record<string, Headers> = {
    'no credential': {},
    'a wrong bearer': { authorization: 'Bearer wrong' },
    'the right one by another scheme': { authorization: `Basic ${TOKEN}` },
    'a wrong password': { authorization: basic('wrong') },
    'a call token as password': { authorization: basic(token) },
    'a wrong secret': { 'x-vapi-secret': 'wrong' },
    'the CRM token of a client': { authorization: `Bearer ${own.token}` },
    'the CRM token of another client': {
      authorization: `Bearer ${other.token}`,
      'x-phone-number': own.number,
    },
    'an expired call token': { 'x-call-token': expired },
    'an expired call token as bearer': { authorization: `Bearer ${expired}` },
    'a forged call token': { 'x-call-token': `${head}.${payload}.${[...signature].reverse().join('')}` },
    'an unsigned call token': { authorization: `Bearer ${none}.${payload}.` },
    'a wrong signature': signed(`whsec_${Buffer.from('another secret').toString('base64')}`, now),
    'the signature of another body': signed(SECRET, now, '{}'),
    'a signature from before': signed(SECRET, now.subtract({ minutes: 6 })),
    'a signature from to come': signed(SECRET, now.add({ minutes: 6 })),
  }
  /** What opens something, and to whom. */
  const right: Record<string, { headers: Headers; opens: Audience[] }> = {
    'the webhook token': {
      headers: { authorization: `Bearer ${TOKEN}` },
      opens: ['vapi', 'assistants', 'readers'],
    },
    'the older header': { headers: { 'x-vapi-secret': TOKEN }, opens: ['vapi'] },
    'a signature': { headers: signed(SECRET, now), opens: ['vapi'] },
    'a call token': { headers: { 'x-call-token': token }, opens: ['vapi', 'assistants'] },
    'a call token as bearer': {
      headers: { authorization: `Bearer ${token}` },
      opens: ['vapi', 'assistants'],
    },
    'an admin’s token': {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      opens: ['operators', 'readers'],
    },
    'an admin’s browser': { headers: { authorization: basic(ADMIN_TOKEN) }, opens: ['readers'] },
    'a programmer’s browser': { headers: { authorization: basic(TOKEN) }, opens: ['readers'] },
  }
  return { h, own, other, token, ask, wrong, right }
}

t.test('every route but the public ones wants the credential of its audience', async (t) => {
  const { h, other, token, ask, wrong, right } = await start(t)
  for (const [route, operation] of h.app.operations) {
    const audience = audienceOf.get(operation)
    t.ok(audience, `${route} (${operation}) stands in the table`)
    if (!audience || audience === 'everybody') continue
    const fits = Object.entries(right).filter(([, { opens }]) => opens.includes(audience))
    const others = Object.entries(right).filter(([, { opens }]) => !opens.includes(audience))
    for (const [name, headers] of [
      ...Object.entries(wrong),
      ...others.map(([name, { headers }]) => [name, headers] as const),
    ]) {
      const answer = await ask(route, headers)
      t.equal(answer.statusCode, 401, `${route} with ${name}`)
      t.match(answer.headers['www-authenticate'], /^Bearer realm=/, 'says how')
      t.match(answer.payload, /UNAUTHORIZED/)
    }
    t.ok(fits.length > 0)
    for (const [name, { headers }] of fits)
      t.not((await ask(route, headers)).statusCode, 401, `${route} with ${name}`)
    if (audience !== 'vapi' && audience !== 'assistants') continue
    for (const claim of [{ 'x-phone-number': other.number }, { 'x-call-id': 'another' }] as Headers[])
      t.equal((await ask(route, { ...claim, 'x-call-token': token })).statusCode, 403, `${route} for another`)
  }
})

t.test('without credentials everybody is trusted, but nobody is an operator', async (t) => {
  const { app } = await build(t, { env: { VAPI_WEBHOOK_TOKEN: undefined } })
  t.equal((await app.inject({ url: '/openapi.json' })).statusCode, 200)
  t.equal((await app.inject({ url: '/admin/clients' })).statusCode, 401)
})

t.test('a route that does not say what it does, or has no schema, cannot be added', async (t) => {
  const app = Fastify()
  await app.register(requestLog)
  const handler = async () => ({})
  t.throws(() => app.get('/a', { schema: {} }, handler), /GET \/a has no operation/)
  t.throws(() => app.get('/b', { config: { operation: 'b' } }, handler), /no schema/)
  app.get('/c', { config: { operation: 'c' }, schema: {} }, handler)
  t.equal(app.operations.get('GET /c'), 'c')
})
