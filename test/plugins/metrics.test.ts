import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { request } from 'undici'
import { freePort } from '../../services/database/free-port.ts'
import { build, createTestDatabase, eventually, TOKEN } from '../helper.ts'
import { startProxy } from '../proxy.ts'
import { fullReport, messagesOf, newCall } from '../services/calls/messages.ts'

const ADMIN = 'test-admin-token'
const env = { ADMIN_TOKEN: `ops:${ADMIN}` }

/** The series of a scrape: `name{labels}` → value. */
async function scrape(app: FastifyInstance): Promise<Map<string, number>> {
  const { statusCode, body } = await app.inject({
    url: '/metrics',
    headers: { authorization: `Bearer ${ADMIN}` },
  })
  if (statusCode !== 200) throw new Error(`/metrics answers ${statusCode}`)
  return seriesOf(body)
}

const seriesOf = (text: string) =>
  new Map(
    text
      .split('\n')
      .filter((line) => line && !line.startsWith('#'))
      .map(
        (line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))] as const,
      ),
  )

t.test('requests, tools, upstream calls, lookups and the process can be seen', async (t) => {
  const { addClient, app, call } = await build(t, { env })
  const client = await addClient()
  const player = await call(client)
  await player.ring()
  await player.status('in-progress')
  await player.tool('check_availability', { date: '2026-08-24' })
  await player.tool('book_appointment', { start_time: 'rubbish', name: 'Ann' })
  await app.inject({ url: '/nowhere' })

  const series = await eventually(async () => {
    const found = await scrape(app)
    return found.get('request_duration_seconds_count{operation="unknown",outcome="refused"}')
      ? found
      : undefined
  }, 'the requests')
  const ringing = (rest: string) =>
    `request_duration_seconds_${rest},operation="vapi.assistant-request",outcome="ok"}`
  for (const le of ['0.3', '1', '2.5', '7.5'])
    t.ok(Number(series.get(ringing(`bucket{le="${le}"`))) >= 0, `a bucket ends at ${le} s`)
  t.equal(series.get(ringing('bucket{le="+Inf"')), 1)
  t.equal(series.get('tool_duration_seconds_count{tool="check_availability",outcome="ok"}'), 1)
  const slots = 'kind="ghl",operation="GET /calendars/:id/free-slots",outcome="ok"'
  t.ok(Number(series.get(`upstream_duration_seconds_count{${slots}}`)) >= 1, 'with the ids taken out')
  t.equal(series.get('client_lookups_total{by="number",outcome="load"}'), 1)
  t.ok(Number(series.get('client_cache_entries{kind="current"}')) >= 1)
  t.equal(series.get('calls_in_progress'), 1)
  t.equal(series.get('metrics_source_up{source="calls"}'), 1)
  for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds'])
    t.ok(series.has(name), name)

  const dead = [...series].filter(([name]) => /^jobs\{.*state="dead"/.test(name))
  t.ok(dead.length > 0 && dead.every(([, count]) => count === 0), 'the queue')
  t.ok(series.has('jobs_oldest_due_seconds{queue="crm-sync"}'))
  t.equal(series.get('breakers{kind="ghl",state="closed"}'), 1)
  t.notOk(series.has('breakers{kind="vapi",state="closed"}'), 'VAPI was not asked for anything')
  await app.vapi.numbers(AbortSignal.timeout(5_000))
  t.equal((await scrape(app)).get('breakers{kind="vapi",state="closed"}'), 1)

  await player.status('ended')
  await eventually(async () => (await scrape(app)).get('calls_in_progress') === 0, 'the end of the call')
})

t.test('calls in progress are right after a restart, and an outage leaves no stale number', async (t) => {
  const databaseUrl = await createTestDatabase()
  const first = await build(t, { env, databaseUrl })
  const client = await first.addClient()
  const player = await first.call(client)
  await player.ring()
  await player.status('in-progress')
  await first.close()

  const proxy = await startProxy(databaseUrl)
  t.teardown(() => proxy.close())
  const { app } = await build(t, { env, databaseUrl: proxy.url })
  t.equal((await scrape(app)).get('calls_in_progress'), 1)
  proxy.freeze()
  // What was asked a moment ago is still good; then the source is away, and every scrape is answered all the same.
  const away = await eventually(async () => {
    const series = await scrape(app)
    return series.get('metrics_source_up{source="calls"}') === 0 ? series : undefined
  }, 'a scrape that tells of the outage')
  t.notOk(away.has('calls_in_progress'), 'absent, not old')
  t.ok(away.has('process_cpu_seconds_total'), 'the rest is there')
  proxy.thaw()
  await eventually(async () => (await scrape(app)).get('calls_in_progress') === 1, 'the number again')
})

t.test('no series grows with callers, calls, clients or text from outside', async (t) => {
  const { addClient, app, webhook } = await build(t, { env })
  const load = async (clientNumber: string, clientId: string) => {
    const id = randomUUID()
    const caller = `+1250555${String(Math.floor(Math.random() * 10_000)).padStart(4, '0')}`
    const about = { call: { id }, phoneNumber: { number: clientNumber }, customer: { number: caller } }
    const headers = { authorization: `Bearer ${TOKEN}` }
    const toolCallList = [{ id, name: `tool_${id}`, arguments: {} }]
    await webhook({ message: { type: 'assistant-request', ...about } })
    await webhook({ message: { type: `type-${id}`, ...about } })
    await webhook({ message: { type: 'tool-calls', ...about, toolCallList } })
    await webhook(messagesOf(newCall(clientNumber)).report(0, fullReport()))
    await webhook(`{"broken": "${id}`)
    await app.inject({
      method: 'POST',
      url: '/tools/send_sms',
      headers,
      payload: { client_id: clientId, message: id },
    })
    await app.inject({ method: 'POST', url: `/tools/${id}`, headers, payload: {} })
    await app.inject({ method: 'PUT', url: `/${id}?${id}=1` })
    await app.inject({ url: `/recordings/${id}.${id}` })
    for (const method of ['tools/list', `tools/${id}`, 'tools/call'])
      await app.inject({
        ...{ method: 'POST', url: '/mcp' },
        headers: {
          ...headers,
          ...{ 'x-phone-number': clientNumber, 'x-call-id': id, host: 'localhost' },
          accept: 'application/json, text/event-stream',
        },
        payload: { jsonrpc: '2.0', id, method, params: { name: id, arguments: {} } },
      })
  }
  const names = async () => {
    const series = await scrape(app)
    return new Set(
      [...series.keys()].filter((name) => !name.startsWith('nodejs_') && !name.startsWith('process_')),
    )
  }
  const settled = async () => {
    let before = new Set<string>()
    return eventually(async () => {
      const now = await names()
      const same = now.size === before.size
      before = now
      return same ? now : undefined
    }, 'the series to settle')
  }
  const loadOnce = async () => {
    const client = await addClient()
    await load(client.number, client.id)
  }
  await loadOnce()
  await loadOnce()
  const before = await settled()
  for (let n = 0; n < 15; n += 1) await loadOnce()
  const after = await settled()
  const fresh = [...after].filter((name) => !before.has(name))
  // A background job may come to an operation or an outcome late; each is a few buckets of a known one.
  for (const name of fresh) t.notMatch(name, /[0-9a-f]{8}-|\d{7}|type-|TestLoc/, name)
  const operations = new Set([...after].map((name) => /operation="([^"]*)"/.exec(name)?.[1]))
  t.ok(operations.size < 60, `${operations.size} operations`)
  t.ok(after.size < 1_500, `${after.size} series`)
  t.ok(after.size - before.size < 200, `${after.size - before.size} more after ten times the load`)
})

t.test('metrics want an admin’s token, or have a port of their own', async (t) => {
  const port = await freePort()
  const { app, close } = await build(t, { env: { ...env, METRICS_PORT: String(port) } })
  t.equal((await app.inject({ url: '/metrics' })).statusCode, 401)
  t.equal(
    (await app.inject({ url: '/metrics', headers: { authorization: `Bearer ${TOKEN}` } })).statusCode,
    401,
  )
  const url = `http://127.0.0.1:${port}`
  const answer = await request(`${url}/metrics`)
  t.equal(answer.statusCode, 200)
  t.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/)
  t.ok(seriesOf(await answer.body.text()).size > 20)
  const other = await request(`${url}/health`)
  await other.body.dump()
  t.equal(other.statusCode, 404)
  await close()
  await t.rejects(request(`${url}/metrics`), { code: 'ECONNREFUSED' })
})

t.test('without an admin’s token there are no metrics on the main port', async (t) => {
  const { app } = await build(t, { env: { ADMIN_TOKEN: undefined } })
  t.equal((await app.inject({ url: '/metrics' })).statusCode, 404)
})
