import { randomBytes, randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { type CrmSandbox, startCrmSandbox } from '../sandbox/crm/server.ts'
import { createPlayer } from '../sandbox/player.ts'
import { startVapiApi } from '../sandbox/vapi-api.ts'
import { createClientRepository } from '../services/clients/repository.ts'
import { createDatabase } from '../services/database/pool.ts'
import { createSecrets } from '../services/secrets.ts'
import { build, CALENDAR, createTestDatabase, eventually } from './helper.ts'
import { addressIn, startServer } from './process.ts'
import { startProxy } from './proxy.ts'

/** Each is unique, and of letters and digits, so that it is found in whatever notation it is printed. */
const planted: Record<string, string> = {}
function plant(what: string): string {
  planted[what] ??= `zq${randomBytes(9).toString('hex')}`
  return planted[what]
}
const numbers: Record<string, string> = {}
function plantNumber(what: string): string {
  numbers[what] ??= `+1250555${String(Object.keys(numbers).length + 2_101)}`
  return numbers[what]
}

const ENCRYPTION_KEY = randomBytes(32).toString('hex')
const secretsOf = (crmUrl: string, vapiUrl: string) => ({
  LOG_LEVEL: 'trace',
  VAPI_WEBHOOK_TOKEN: plant('webhook token'),
  ADMIN_TOKEN: `ops:${plant('admin token')}`,
  ENCRYPTION_KEY,
  VAPI_API_KEY: plant('VAPI key'),
  VAPI_BASE_URL: vapiUrl,
  GHL_BASE_URL: crmUrl,
  GHL_MCP_URL: `${crmUrl}/mcp/`,
  GHL_CLIENT_ID: plant('app id'),
  GHL_CLIENT_SECRET: plant('app secret'),
  PUBLIC_URL: 'https://agent.example.com',
})

const LOCATION = 'TestLocation00008001'
const location = () => ({
  id: LOCATION,
  token: plant('GHL token'),
  timezone: 'America/Vancouver',
  calendars: [
    {
      id: CALENDAR,
      slotMinutes: 30,
      openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '17:00' }],
    },
  ],
})
const business = () => ({
  client_name: plant('client name'),
  twilio_number: plantNumber('the client’s number'),
  ghl_token: plant('GHL token'),
  location_id: LOCATION,
  calendar_id: CALENDAR,
  timezone: 'America/Vancouver',
  settings: {
    greeting: plant('greeting'),
    business_details: plant('details'),
    transfer_number: plantNumber('transfer'),
  },
})

interface Scene {
  url: string
  crm: CrmSandbox
  clientId: string
  /** Takes the database away, and gives it back. */
  away: { begin(): void; end(): void }
  /** Waits for a line of the log. */
  line(msg: RegExp): Promise<unknown>
}

/** Everything that is said to the server, right and wrong; each input holds what must not be printed. */
async function walk({ url, crm, clientId, away, line }: Scene): Promise<Set<number>> {
  const statuses = new Set<number>()
  const send = async (
    method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ) => {
    const answer = await request(`${url}${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        'user-agent': plant('user agent'),
        'x-forwarded-for': '203.0.113.77',
        cookie: `session=${plant('cookie')}`,
        tracestate: `a=${plant('tracestate')}`,
        'x-anything': plant('header'),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    statuses.add(answer.statusCode)
    return { status: answer.statusCode, text: await answer.body.text() }
  }
  const vapi = { authorization: `Bearer ${plant('webhook token')}` }
  const admin = { authorization: `Bearer ${plant('admin token')}` }
  const called = business().twilio_number
  const player = (change: { called?: string; caller?: string } = {}) =>
    createPlayer({
      webhookUrl: `${url}/vapi/webhooks`,
      serverUrl: `${url}/vapi/webhooks`,
      token: plant('webhook token'),
      called,
      caller: plantNumber('caller'),
      onExchange: (_request, { status }) => statuses.add(status),
      ...change,
    })
  const words = (which: string) => ({
    transcript: `AI: Hello. User: ${plant(`transcript ${which}`)}`,
    summary: plant(`summary ${which}`),
    structuredData: { note: plant(`structured data ${which}`) },
  })

  // A call that goes well, but for what the model makes up.
  const first = player()
  await first.ring()
  await first.status('in-progress')
  await first.conversation([{ role: 'user', content: plant('conversation') }])
  await first.tool('find_or_create_contact', { name: plant('name'), email: `${plant('email')}@example.com` })
  await first.tool('check_availability', { date: plant('date') })
  await first.tool('book_appointment', { start_time: plant('start'), name: plant('name') })
  await first.tool('take_message', { message: plant('message'), callback_number: plantNumber('call back') })
  await first.tool('send_sms', { message: plant('text message') })
  await first.tool(plant('tool name'), { anything: plant('argument') })
  await first.send(plant('message type'), { anything: plant('property') })
  await first.status('ended')
  await first.report(words('first'))
  await first.send('status-update', {
    status: 'ended',
    inboundPhoneCallDebuggingArtifacts: {
      assistantRequestResponse: { assistant: plant('refused assistant') },
    },
  })

  // A job that goes to the dead letters.
  const body = {
    message: `${plant('CRM error')} ${plantNumber('in a CRM error')}`,
    token: plant('GHL token'),
  }
  const refuse = crm.fault({ kind: { type: 'status', status: 422, body } })
  const second = player({ caller: plantNumber('second caller') })
  await second.ring()
  await second.report(words('second'))
  await line(/a job failed for good/)
  refuse()

  // Nobody's call; no body, a broken one, a wrong one, one beyond all measure.
  const nobody = player({ called: plantNumber('nobody’s number') })
  await nobody.ring()
  await nobody.status('ringing')
  await send('POST', '/vapi/webhooks', `{"message": {"type": "${plant('broken JSON')}"`, vapi)
  await send('POST', '/vapi/webhooks', { message: { transcript: plant('no type') } }, vapi)
  await send('POST', '/vapi/webhooks', `"${plant('too large')}${'x'.repeat(17 * 1024 * 1024)}"`, vapi).catch(
    () => {},
  )
  await send('POST', '/vapi/webhooks', plant('text'), { ...vapi, 'content-type': 'text/plain' })
  await send('POST', '/vapi/webhooks', {}, { authorization: `Bearer ${plant('wrong token')}` })
  await send('POST', '/vapi/webhooks', {}, { 'x-vapi-secret': plant('wrong secret') })
  await send('POST', '/vapi/webhooks', {}, { authorization: `Basic ${plant('wrong password')}` })
  const signed = {
    'webhook-id': plant('id'),
    'webhook-timestamp': '1',
    'webhook-signature': plant('signature'),
  }
  await send('POST', '/vapi/webhooks', {}, signed)

  // The other doors.
  const person = { client_id: clientId, phone: plantNumber('REST'), name: plant('REST name') }
  await send('POST', '/tools/find_or_create_contact', person, vapi)
  await send('POST', '/tools/find_or_create_contact', { ...person, client_id: plant('REST client') }, vapi)
  await send('POST', '/tools/find_or_create_contact', { ...person, client_id: randomUUID() }, vapi)
  await send(
    'POST',
    '/tools/book_appointment',
    { client_id: clientId, start_time: plant('REST start') },
    vapi,
  )
  await send('POST', '/tools/send_sms', plant('REST text'), { ...vapi, 'content-type': 'application/xml' })
  await send('GET', `/${plant('path')}?token=${plant('query')}&phone=${plantNumber('query')}`)
  await send('GET', `/recordings/${plant('recording')}.${plant('recording signature')}`)
  const mcp = {
    ...vapi,
    accept: 'application/json, text/event-stream',
    host: 'localhost',
    'x-phone-number': called,
    'x-call-id': randomUUID(),
  }
  const rpc = (method: string, params: unknown) => ({ jsonrpc: '2.0', id: plant('MCP id'), method, params })
  const mcpArguments = { name: plant('MCP name'), phone: plantNumber('MCP') }
  await send(
    'POST',
    '/mcp',
    rpc('tools/call', { name: 'find_or_create_contact', arguments: mcpArguments }),
    mcp,
  )
  await send('POST', '/mcp', rpc('tools/call', { name: plant('MCP tool'), arguments: mcpArguments }), mcp)
  await send('POST', '/mcp', rpc(plant('MCP method'), {}), mcp)
  await send('POST', '/mcp', `[${plant('MCP broken')}`, mcp)
  await send('POST', '/mcp', rpc('tools/list', {}), { ...mcp, 'x-phone-number': plantNumber('MCP header') })
  const added = { ...business(), twilio_number: plantNumber('added'), ghl_token: plant('added token') }
  await send('POST', '/admin/clients', added, admin)
  await send('POST', '/admin/clients', added, admin)
  await send('POST', '/admin/clients', { ...added, timezone: plant('zone') }, admin)
  await send(
    'PATCH',
    `/admin/clients/${clientId}`,
    { [plant('admin property')]: plant('admin value') },
    admin,
  )
  await send('GET', `/admin/clients/${plant('admin path')}`, undefined, admin)
  await send(
    'GET',
    `/admin/calls?client=${plant('admin query')}&since=${plant('admin since')}`,
    undefined,
    admin,
  )
  await send('GET', '/admin/clients', undefined, { authorization: `Bearer ${plant('wrong admin token')}` })
  await send('GET', `/ghl/oauth/callback?code=${plant('code')}&state=${plant('state')}`)
  await send('GET', '/metrics', undefined, admin)

  // The CRM fails in each of its ways, in words of its own.
  for (const kind of [
    { type: 'status', status: 500, body },
    { type: 'status', status: 400, body },
    { type: 'garbage' },
    { type: 'drop-before' },
    { type: 'rate-limit', retryAfterSeconds: 1 },
    { type: 'status', status: 401, body },
  ] as const) {
    const remove = crm.fault({ kind })
    await player().tool('take_message', { message: plant('message'), name: plant('name') })
    remove()
  }

  // What is not HTTP.
  const { hostname, port } = new URL(url)
  for (const rubbish of [
    `${plant('not HTTP')}\r\n\r\n`,
    `GET / HTTP/1.1\r\nx: ${plant('large header')}${'y'.repeat(100_000)}`,
  ]) {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {}).resume()
    socket.write(rubbish)
    await new Promise((resolve) => socket.once('close', resolve))
  }

  // The database is away, and back.
  away.begin()
  const third = player({ caller: plantNumber('third caller') })
  await third.ring()
  await send(
    'POST',
    '/vapi/webhooks',
    {
      message: {
        type: 'hang',
        call: { id: randomUUID() },
        phoneNumber: { number: called },
        customer: { number: plantNumber('third caller') },
      },
    },
    vapi,
  )
  await send('POST', '/tools/send_sms', { client_id: randomUUID(), message: plant('text message') }, vapi)
  await send('GET', '/admin/clients', undefined, admin)
  await send('GET', '/ready')
  away.end()
  await eventually(async () => (await send('GET', '/ready')).status === 200, 'the database again', 60)
  return statuses
}

/** What was printed holds nothing of what was planted; the statuses show that the failures did happen. */
function judge(t: Test, written: string, lines: readonly Record<string, unknown>[], statuses: Set<number>) {
  for (const [what, secret] of Object.entries(planted)) {
    const at = written.indexOf(secret)
    t.equal(at, -1, `${what}${at < 0 ? '' : `: ${written.slice(Math.max(0, at - 200), at + 60)}`}`)
  }
  for (const [what, number] of Object.entries(numbers)) {
    const at = written.indexOf(number.slice(2))
    t.equal(at, -1, `${what}${at < 0 ? '' : `: ${written.slice(Math.max(0, at - 200), at + 60)}`}`)
  }
  for (const secret of [ENCRYPTION_KEY, '203.0.113.77', 'signature='])
    t.equal(written.indexOf(secret), -1, `${secret.slice(0, 12)} …`)
  const requests = lines.filter(({ msg }) => msg === 'request')
  for (const status of [200, 400, 401, 404, 415, 503]) t.ok(statuses.has(status), `${status} was answered`)
  // Who is cut off in the middle of too much may not see that he was told why.
  t.ok(
    requests.some(({ status }) => status === 413),
    '413 was answered',
  )
  for (const { operation, ms } of requests)
    t.ok(typeof operation === 'string' && typeof ms === 'number', `${operation} took ${ms} ms`)
  t.ok(
    requests.some(({ client, call, operation }) => client && call && operation === 'vapi.end-of-call-report'),
    'lines name client and call',
  )
  t.ok(Object.keys(planted).length > 60, `${Object.keys(planted).length} secrets`)
}

/** The address with a password in it, which is a secret of its own. */
function withPassword(address: string): string {
  const url = new URL(address)
  url.password ||= plant('database password')
  planted['database password'] = decodeURIComponent(url.password)
  return url.href
}

t.test('a process prints no secret and nobody’s words or number, whatever happens', async (t) => {
  const databaseUrl = await createTestDatabase()
  const sql = createDatabase({ url: databaseUrl })
  t.teardown(() => sql.end())
  const secrets = createSecrets([ENCRYPTION_KEY])
  const clientId = await createClientRepository({ sql, secrets }).put(business())
  const crm = await startCrmSandbox({ rateLimit: { max: 1_000_000, perMs: 10_000 }, locations: [location()] })
  const vapi = await startVapiApi({ key: plant('VAPI key') })
  const proxy = await startProxy(withPassword(databaseUrl))
  t.teardown(() => Promise.all([crm.close(), vapi.close(), proxy.close()]))

  const server = startServer(t, { DATABASE_URL: proxy.url, ...secretsOf(crm.url, vapi.url) })
  let stdout = ''
  server.child.stdout?.on('data', (chunk: string) => {
    stdout += chunk
  })
  const url = await eventually(() => addressIn(server.logs), 'the server', 60)
  const line = (wanted: RegExp) =>
    eventually(() => server.logs.some(({ msg }) => wanted.test(String(msg))), String(wanted), 60)
  const statuses = await walk({ url, crm, clientId, away: { begin: proxy.refuse, end: proxy.accept }, line })
  server.child.kill('SIGTERM')
  t.strictSame(await server.ended, [0, null], server.stderr().slice(0, 2_000))
  judge(t, stdout + server.stderr(), server.logs, statuses)
})

t.test('nor does a server within this process, whose database falls silent', async (t) => {
  const proxy = await startProxy(await createTestDatabase())
  t.teardown(() => proxy.close())
  const {
    VAPI_BASE_URL: _,
    GHL_BASE_URL: __,
    GHL_MCP_URL: ___,
    VAPI_API_KEY: ____,
    ...env
  } = secretsOf('', '')
  const now = () => Temporal.Now.instant()
  const { app, crm, logs, close } = await build(t, { databaseUrl: proxy.url, env, now })
  crm.addLocation(location())
  const clientId = await createClientRepository({ sql: app.sql, secrets: app.secrets }).put(business())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const line = (wanted: RegExp) =>
    eventually(() => logs.some(({ msg }) => wanted.test(String(msg))), String(wanted), 60)
  const away = { begin: proxy.freeze, end: proxy.thaw }
  const statuses = await walk({ url, crm, clientId, away, line })
  await close()
  judge(t, logs.map((each) => JSON.stringify(each)).join('\n'), logs, statuses)
})
