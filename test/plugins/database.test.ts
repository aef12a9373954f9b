import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import database from '../../plugins/database.ts'
import requestLog from '../../plugins/request-log.ts'
import tracing from '../../plugins/tracing.ts'
import { asOwner, build, createTestDatabase, eventually } from '../helper.ts'
import { startProxy } from '../proxy.ts'
import { fullReport, messagesOf, newCall } from '../services/calls/messages.ts'

/** What has to be there before the database. */
async function bare() {
  const app = Fastify({ pluginTimeout: 60_000 })
  await app.register(requestLog)
  await app.register(tracing, { endpoint: undefined })
  return app
}

t.test('the version of the schema is told beside the one that is expected', async (t) => {
  const app = await bare()
  await app.register(database, { databaseUrl: await createTestDatabase(), dataDirectory: '.data' })
  t.teardown(() => app.close())
  const { expected } = app.database
  t.equal(await app.database.version(), expected)
  await asOwner(
    app,
  )`insert into schema_version (version, name, md5, run_at) values (9000, 'newer', 'x', now())`
  t.equal(await app.database.version(), 9_000)
  await asOwner(app)`delete from schema_version where version > 1`
  t.equal(await app.database.version(), 1)
  t.ok(expected > 1)
})

t.test('without a URL there is an embedded database, which ends with the app', async (t) => {
  const dataDirectory = await mkdtemp(path.join(tmpdir(), 'data-'))
  // Else, as root, the data goes elsewhere: the user postgres must be able to enter.
  await chmod(dataDirectory, 0o755)
  t.teardown(() => rm(dataDirectory, { recursive: true, force: true }))
  const app = await bare()
  await app.register(database, { databaseUrl: undefined, dataDirectory })
  t.match(await asOwner(app)`select count(*)::int as n from clients`, [{ n: 0 }])
  await app.close()

  const again = await bare()
  await again.register(database, { databaseUrl: undefined, dataDirectory })
  t.ok(await again.sql`select 1`)
  await again.close()
})

t.test('while the database is silent a report is refused in time, and taken once it is back', async (t) => {
  const databaseUrl = await createTestDatabase()
  const proxy = await startProxy(databaseUrl)
  t.teardown(() => proxy.close())
  const harness = await build(t, { databaseUrl: proxy.url })
  const client = await harness.addClient()
  const warm = newCall(client.number)
  t.equal((await harness.webhook(messagesOf(warm).status('ringing', -90))).statusCode, 200)

  await eventually(async () => {
    const found = await harness.app.clients.byNumber(client.number)
    return found.client && found.source === 'cache'
  }, 'the client to be known')
  proxy.freeze()
  const call = newCall(client.number)
  const report = messagesOf(call).report(0, fullReport())
  for (let n = 0; n < 4; n++) {
    const begun = performance.now()
    const refused = await harness.webhook(report)
    const ms = performance.now() - begun
    t.equal(refused.statusCode, 503)
    t.ok(refused.headers['retry-after'])
    t.ok(ms < 1_500, `${Math.round(ms)} ms`)
  }
  await eventually(
    () => harness.logs.some(({ msg }) => String(msg).startsWith('the database stopped answering')),
    'it to be said in the log',
    5,
  )
  proxy.thaw()
  await eventually(
    async () => (await harness.webhook(report)).statusCode === 200,
    'the report to be taken',
    10,
  )
  const sessions = await asOwner(harness.app)`select from voice_sessions where vapi_call_id = ${call.id}`
  t.equal(sessions.length, 1)
})

t.test(
  'all connections cut at once, under load: every report is taken or refused, and none is half stored',
  async (t) => {
    const databaseUrl = await createTestDatabase()
    const proxy = await startProxy(databaseUrl)
    t.teardown(() => proxy.close())
    const harness = await build(t, { databaseUrl: proxy.url })
    const client = await harness.addClient()
    const taken: string[] = []
    const statuses = new Map<number, number>()
    let sending = true
    const senders = Array.from({ length: 20 }, async () => {
      while (sending) {
        const call = newCall(client.number)
        const { statusCode } = await harness.webhook(messagesOf(call).report(0, fullReport()))
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
        if (statusCode === 200) taken.push(call.id)
      }
    })
    for (let n = 1; n <= 5; n++) {
      await eventually(() => (statuses.get(200) ?? 0) >= n * 40, 'reports to be taken')
      proxy.killAll()
    }
    sending = false
    await Promise.all(senders)
    t.comment(JSON.stringify(Object.fromEntries(statuses)))
    t.strictSame(
      harness.logs.filter(({ code }) => code === 'INTERNAL').map(({ err }) => err),
      [],
    )
    t.strictSame(
      [...statuses.keys()].filter((status) => status !== 200 && status !== 503),
      [],
    )
    const stored = await asOwner(harness.app)`select from voice_sessions where vapi_call_id = any(${taken})`
    t.equal(stored.length, taken.length, 'what was taken is there')
    const [odd] = await asOwner(harness.app)<{ sessions: number; events: number; jobs: number }[]>`
    select (select count(*)::int from voice_sessions) as sessions, (select count(*)::int from call_events) as events,
      (select count(distinct data ->> 'sessionId')::int from (
        select data from outbox union all select data from pgboss.job where name = 'crm-sync'
      ) work) as jobs`
    t.strictSame(
      [odd?.events, odd?.jobs],
      [odd?.sessions, odd?.sessions],
      'session, event and job together or not at all',
    )
  },
)
