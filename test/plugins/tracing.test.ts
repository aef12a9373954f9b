import { once } from 'node:events'
import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { freePort } from '../../services/database/free-port.ts'
import { build, createTestDatabase, eventually, TOKEN } from '../helper.ts'
import { addressIn, startServer } from '../process.ts'
import { fullReport, messagesOf, newCall } from '../services/calls/messages.ts'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: Record<string, unknown>
  status: { code?: number }
}

interface Wire {
  resourceSpans: {
    resource: { attributes: Attribute[] }
    scopeSpans: { spans: (Omit<Span, 'attributes'> & { attributes: Attribute[] })[] }[]
  }[]
}
type Attribute = { key: string; value: Record<string, unknown> }

const plain = (attributes: Attribute[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

/** A collector that takes OTLP in JSON; `silent` takes connections and never answers. */
async function startCollector(t: Test, { port = 0, silent = false } = {}) {
  const spans: Span[] = []
  const raw: string[] = []
  const paths = new Set<string>()
  const server = createServer(async (request, response) => {
    paths.add(`${request.method} ${request.url}`)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    if (silent) return
    const text = Buffer.concat(chunks).toString()
    raw.push(text)
    for (const { scopeSpans } of (JSON.parse(text) as Wire).resourceSpans)
      for (const { spans: some } of scopeSpans)
        for (const span of some) spans.push({ ...span, attributes: plain(span.attributes) })
    response.setHeader('content-type', 'application/json').end('{}')
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const found = typeof address === 'object' && address ? address.port : 0
  return { url: `http://127.0.0.1:${found}`, spans, raw, paths }
}

const SERVER = 2
const CLIENT = 3
const CONSUMER = 5

t.test('one trace a webhook, through database, queue and CRM', async (t) => {
  const collector = await startCollector(t)
  const { addClient, app, crm, webhook } = await build(t, {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/` },
  })
  const client = await addClient()
  const call = newCall(client.number)
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`
  await webhook(messagesOf(call).report(0, fullReport()), { traceparent })
  await eventually(() => crm.location(client.locationId).contacts[0]?.notes.length, 'the note')
  await app.close()

  t.strictSame([...collector.paths], ['POST /v1/traces'])
  const trace = collector.spans.filter((span) => span.traceId === traceId)
  const [webhookSpan] = trace.filter(({ kind }) => kind === SERVER)
  t.match(webhookSpan, {
    name: 'vapi.end-of-call-report',
    parentSpanId: '00f067aa0ba902b7',
    attributes: {
      'agent.operation': 'vapi.end-of-call-report',
      'agent.client.id': client.id,
      'agent.call.id': String,
      'http.response.status_code': Number,
    },
  })
  const beneath = (parent: Span | undefined): Span[] => {
    const children = trace.filter(({ parentSpanId }) => parentSpanId === parent?.spanId)
    return children.flatMap((child) => [child, ...beneath(child)])
  }
  const direct = trace.filter(({ parentSpanId }) => parentSpanId === webhookSpan?.spanId)
  t.ok(
    direct.some(({ name }) => name === 'db insert into voice_sessions'),
    'the statement that keeps the report',
  )
  const job = direct.find(({ kind }) => kind === CONSUMER)
  t.match(job, {
    name: 'jobs.crm-sync',
    attributes: { 'agent.client.id': client.id, 'agent.session.id': String },
  })
  const work = beneath(job)
  t.ok(
    work.some(({ name }) => name.startsWith('db ')),
    'what the job reads and marks',
  )
  const requests = work.filter(({ kind, name }) => kind === CLIENT && name.startsWith('ghl '))
  t.ok(
    requests.some(({ name }) => name === 'ghl POST /contacts/:id/notes'),
    requests.map(({ name }) => name).join(', '),
  )
  for (const { attributes } of requests)
    t.match(attributes, { 'agent.upstream': 'ghl', 'http.response.status_code': Number })
  t.equal(beneath(webhookSpan).length + 1, trace.length, 'one tree')

  const written = collector.raw.join('\n')
  for (const secret of [TOKEN, client.token, client.number, client.locationId, 'http://', '$1', ' where '])
    t.notOk(written.includes(secret), secret)
  t.notMatch(written, /"stringValue":"[^"]*\+1\d{10}/, 'no phone number')
})

t.test('failures are marked; what is no traceparent begins a trace; probes make none', async (t) => {
  const collector = await startCollector(t)
  const { addClient, app, crm, call } = await build(t, {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
  })
  const client = await addClient()
  crm.fault({ match: { path: /free-slots/ }, kind: { type: 'status', status: 500 } })
  const player = await call(client)
  await player.ring()
  await player.tool('check_availability', { date: '2026-08-24' })
  await app.inject({ url: '/health' })
  await app.inject({ url: '/nowhere', headers: { traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01` } })
  await app.close()
  const spans = collector.spans
  const failed = spans.filter(({ name }) => name === 'ghl GET /calendars/:id/free-slots')
  t.ok(failed.length > 0)
  for (const span of failed) t.match(span, { attributes: { 'error.type': 'failed' }, status: { code: 2 } })
  const nowhere = spans.find(({ name }) => name === 'unknown')
  t.notOk(nowhere?.parentSpanId)
  t.notMatch(nowhere?.traceId, /^0+$/)
  t.notOk(spans.some(({ name }) => name.startsWith('health')))
})

for (const kind of ['refuses', 'never answers'] as const) {
  t.test(`a collector that ${kind} costs one line, and neither a request nor the end`, async (t) => {
    const url =
      kind === 'refuses'
        ? `http://127.0.0.1:${await freePort()}`
        : (await startCollector(t, { silent: true })).url
    const { addClient, app, logs, webhook } = await build(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: url } })
    const client = await addClient()
    const ring = () =>
      webhook({ message: { type: 'assistant-request', phoneNumber: { number: client.number } } })
    const lines = () => logs.filter(({ msg }) => /the collector of traces/.test(String(msg)))
    const statuses = new Set<number>()
    await eventually(async () => {
      statuses.add((await ring()).statusCode)
      return lines().length
    }, 'the line')
    t.strictSame([...statuses], [200])
    t.equal((await ring()).statusCode, 200)
    const begun = performance.now()
    await app.close()
    t.ok(performance.now() - begun < 15_000, 'the end does not wait for it')
    t.equal(lines().length, 1)
  })
}

t.test('without an endpoint and a DSN nothing of either SDK is loaded', async (t) => {
  const hook = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) {
      const found = next(name, context)
      if (/@opentelemetry.(?!api.)|@sentry/.test(found.url)) process.stderr.write('LOADED ' + found.url + '\\n')
      return found
    } })`
  const env = {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}`,
    DATABASE_URL: await createTestDatabase(),
  }
  const without = startServer(t, env)
  await eventually(() => addressIn(without.logs), 'the server without', 60)
  t.notMatch(without.stderr(), 'LOADED')
  const url = `127.0.0.1:${await freePort()}`
  const telemetry = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${url}`, SENTRY_DSN: `http://key@${url}/1` }
  const having = startServer(t, { ...env, ...telemetry })
  await eventually(() => addressIn(having.logs), 'the server with both', 60)
  t.match(having.stderr(), /LOADED .*@opentelemetry\/sdk-trace/)
  t.match(having.stderr(), /LOADED .*@sentry\/core/)
})
