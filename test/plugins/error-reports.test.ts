import { once } from 'node:events'
import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { build, eventually } from '../helper.ts'

interface Report {
  event_id: string
  release: string
  environment: string
  tags: Record<string, string>
  exception: {
    values: {
      type: string
      value: string
      stacktrace: { frames: { filename: string; function?: string }[] }
    }[]
  }
}

/** A server that takes envelopes as Sentry does; `status` is what it answers. */
async function startIngest(t: Test, status = 200) {
  const reports: Report[] = []
  const raw: string[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    raw.push(JSON.stringify(request.headers), text)
    const lines = text.trim().split('\n')
    for (let n = 1; n + 1 < lines.length; n += 2)
      if (JSON.parse(lines[n] ?? '').type === 'event') reports.push(JSON.parse(lines[n + 1] ?? ''))
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return { dsn: `http://publickey@127.0.0.1:${port}/42`, reports, raw }
}

const PLANTED = {
  phone: '+12505550188',
  spoken: '(250) 555-0177',
  token: 'pit-0f8fad5b-d9cb-469f-a165-70867728950e',
  bearer: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
  email: 'ann.lee@example.com',
  name: 'Ann Lee',
  address: 'https://storage.vapi.ai/recording.wav?signature=swordfish',
}

t.test('an unexpected error is reported with what it was about, and nobody in it', async (t) => {
  const ingest = await startIngest(t)
  const { app, addClient } = await build(t, { env: { SENTRY_DSN: ingest.dsn } })
  const client = await addClient()
  const call = '7420f27a-30fd-4f49-a995-5549ae7cc00d'
  function deepInside() {
    throw new TypeError(`cannot read "${PLANTED.name}" of ${PLANTED.spoken}`)
  }
  const failing = () => {
    try {
      deepInside()
    } catch (cause) {
      const text = `Bearer ${PLANTED.bearer} ${PLANTED.token} ${PLANTED.phone} ${PLANTED.email} ${PLANTED.address}`
      throw Object.assign(new Error(`the thing broke: ${text}`, { cause }), {
        body: PLANTED.name,
        phone: PLANTED.phone,
      })
    }
  }
  try {
    failing()
  } catch (err) {
    const facts = {
      err,
      operation: 'vapi.hang',
      client: client.id,
      call,
      code: 'INTERNAL',
      body: PLANTED.name,
    }
    app.log.error(facts, 'request failed')
  }
  const report = await eventually(() => ingest.reports[0], 'the report')
  t.match(report, {
    release: /^1000x-agent@\d/,
    environment: 'test',
    tags: { operation: 'vapi.hang', client: client.id, call, code: 'INTERNAL', what: 'request failed' },
  })
  const [cause, outer] = report.exception.values
  t.equal(cause?.type, 'TypeError')
  t.match(outer?.value, /^the thing broke: /)
  t.ok(
    cause?.stacktrace.frames.some(({ function: name }) => name === 'deepInside'),
    'the stack tells where',
  )
  t.ok(outer?.stacktrace.frames.every(({ filename }) => !filename.includes(process.cwd())))
  await app.close()
  const sent = ingest.raw.join('\n')
  for (const [name, secret] of Object.entries(PLANTED)) t.notOk(sent.includes(secret), name)
  for (const part of [
    '0188',
    '0177',
    'Ann',
    'swordfish',
    'example.com',
    'server_name',
    'breadcrumbs',
    'ip_address',
  ])
    t.notOk(sent.includes(part), part)
})

t.test('a bug behind a door is reported; failures that are known are not', async (t) => {
  const ingest = await startIngest(t)
  const { app, addClient, crm, call } = await build(t, {
    env: { SENTRY_DSN: ingest.dsn },
    overrides: { jobs: { retryDelaySeconds: 1 } },
  })
  const client = await addClient()
  // Known: refused, unknown, and a CRM that is away.
  crm.fault({ match: { path: /free-slots/ }, kind: { type: 'status', status: 500 }, times: 2 })
  const player = await call(client)
  await player.ring()
  await player.tool('check_availability', { date: '2026-08-24' })
  await app.inject({ url: '/nowhere' })
  // A bug: what the service does not do.
  Object.defineProperty(app.database, 'version', {
    value: () => {
      throw new RangeError('a bug in 12505550188')
    },
  })
  t.equal((await app.inject({ url: '/ready' })).statusCode, 500)
  await eventually(() => ingest.reports.length, 'the report')
  await app.close()
  t.equal(ingest.reports.length, 1)
  t.match(ingest.reports[0], {
    tags: { operation: 'health.ready', code: 'INTERNAL' },
    exception: { values: [{ type: 'RangeError', value: 'a bug in ###########' }] },
  })
})

t.test('a job that failed for good is reported', async (t) => {
  const ingest = await startIngest(t)
  const { addClient, crm, call } = await build(t, { env: { SENTRY_DSN: ingest.dsn } })
  const client = await addClient()
  crm.fault({
    match: { path: /^\/contacts/ },
    kind: { type: 'status', status: 422, body: { message: 'Ann' } },
  })
  const player = await call(client)
  await player.ring()
  await player.status('ended')
  await player.report({ transcript: 'User: Ann.', summary: 'Ann called.' })
  const report = await eventually(() => ingest.reports[0], 'the report')
  t.match(report.tags, { queue: 'crm-sync', job: String })
  t.notMatch(ingest.raw.join(), 'Ann')
})

t.test(
  'a flood of errors is a trickle of reports, and nobody waits for a server that refuses them',
  async (t) => {
    const ingest = await startIngest(t, 503)
    const { app } = await build(t, { env: { SENTRY_DSN: ingest.dsn } })
    const same = new Error('the same again')
    for (let n = 0; n < 500; n += 1) app.log.error({ err: same }, 'again')
    // Each from a place of its own.
    for (let n = 0; n < 500; n += 1) {
      const error = new Error('another')
      error.stack = `Error: another\n    at place${n} (/app/file.ts:${n + 1}:1)`
      app.log.error({ err: error }, 'another')
    }
    await app.close()
    t.ok(ingest.reports.length > 1)
    t.ok(ingest.reports.length <= 20, `${ingest.reports.length} reports`)
    t.equal(
      ingest.reports.filter(({ exception }) => exception.values[0]?.value === 'the same again').length,
      1,
    )
  },
)
