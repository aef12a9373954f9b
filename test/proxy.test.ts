import postgres from 'postgres'
import t from 'tap'
import { createTestDatabase, eventually } from './helper.ts'
import { startProxy } from './proxy.ts'

t.test('what the tests rely on when they say that the database is away', async (t) => {
  const proxy = await startProxy(await createTestDatabase())
  t.teardown(() => proxy.close())
  const open = () => {
    const sql = postgres(proxy.url, { max: 1, connect_timeout: 5, backoff: false, onnotice: () => {} })
    t.teardown(() => sql.end({ timeout: 0 }))
    return sql
  }
  const sql = open()
  const one = async (on = sql) => (await on`select 1 as one`)[0]?.one

  t.equal(await one(), 1)

  await t.test('frozen: neither an old nor a new connection gets an answer, until it thaws', async (t) => {
    proxy.freeze()
    let answers = 0
    const old = one().finally(() => answers++)
    const fresh = one(open()).finally(() => answers++)
    const none = new Promise((resolve) => setTimeout(resolve, 200, 'no answer'))
    t.equal(await Promise.race([old, fresh, none]), 'no answer')
    proxy.thaw()
    t.strictSame(await Promise.all([old, fresh]), [1, 1])
    t.equal(answers, 2)
  })

  await t.test('refused: connections break and new ones are not taken, until it accepts', async (t) => {
    proxy.refuse()
    await t.rejects(one(open()), { code: 'ECONNREFUSED' })
    proxy.accept()
    t.equal(await eventually(() => one(open()).catch(() => 0), 'an accepted connection'), 1)
  })

  await t.test('killed: connections break and the next one is welcome', async (t) => {
    const mine = open()
    await one(mine)
    const long = mine`select pg_sleep(30)`.execute()
    proxy.killAll()
    await t.rejects(long, { code: 'CONNECTION_CLOSED' })
    t.equal(await one(open()), 1)
  })
})
