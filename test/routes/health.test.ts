import t from 'tap'
import { asOwner, build, createTestDatabase, eventually } from '../helper.ts'
import { startProxy } from '../proxy.ts'

t.test('when all is well', async (t) => {
  const { app } = await build(t)
  const health = await app.inject({ url: '/health' })
  t.match([health.statusCode, health.json()], [200, { status: 'ok' }])
  const ready = await app.inject({ url: '/ready' })
  t.strictSame(
    [ready.statusCode, ready.json()],
    [200, { status: 'ok', database: 'ok', migrations: 'ok', queue: 'ok' }],
  )
})

t.test('a database that does not answer', async (t) => {
  const proxy = await startProxy(await createTestDatabase())
  t.teardown(() => proxy.close())
  const { app } = await build(t, { databaseUrl: proxy.url })
  t.teardown(() => proxy.thaw())
  const timed = async (url: string) => {
    const begun = performance.now()
    const { statusCode, body } = await app.inject({ url })
    return { statusCode, body: JSON.parse(body), ms: performance.now() - begun }
  }

  proxy.freeze()
  const ready = timed('/ready')
  const health = timed('/health')
  t.equal(await Promise.race([health, ready]), await health, 'health never asks the database')
  t.equal((await health).statusCode, 200)
  const { statusCode, body, ms } = await ready
  t.strictSame(
    [statusCode, body],
    [503, { status: 'failed', database: 'failed', migrations: 'failed', queue: 'failed' }],
  )
  t.ok(ms < 5_000, 'readiness is told before a monitor gives up')

  proxy.thaw()
  await eventually(async () => (await timed('/ready')).statusCode === 200, 'readiness')
})

t.test('a server that is about to close is well, and wants no more requests', async (t) => {
  const { app } = await build(t)
  app.draining.begin()
  const ready = await app.inject({ url: '/ready' })
  t.strictSame([ready.statusCode, ready.json()], [503, { status: 'draining' }])
  t.equal((await app.inject({ url: '/health' })).statusCode, 200)
})

t.test('readiness names what has failed', async (t) => {
  const { app } = await build(t, { databaseUrl: await createTestDatabase() })
  await asOwner(app)`alter table pgboss.version rename to elsewhere`
  const queue = await app.inject({ url: '/ready' })
  t.strictSame(
    [queue.statusCode, queue.json()],
    [503, { status: 'failed', database: 'ok', migrations: 'ok', queue: 'failed' }],
  )
  await asOwner(app)`alter table pgboss.elsewhere rename to version`

  const [table] = await asOwner(app)`
    select c.oid::regclass::text as name from pg_class c join pg_attribute a on a.attrelid = c.oid
    where a.attname = 'md5' and c.relkind = 'r'`
  await asOwner(app)`delete from ${asOwner(app).unsafe(String(table?.name))} where version > 1`
  const migrations = await app.inject({ url: '/ready' })
  t.strictSame(
    [migrations.statusCode, migrations.json()],
    [503, { status: 'failed', database: 'ok', migrations: 'failed', queue: 'ok' }],
  )
})
