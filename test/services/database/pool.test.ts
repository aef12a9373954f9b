import t, { type Test } from 'tap'
import { createDatabase, type DatabaseOptions, DatabaseTimeout } from '../../../services/database/pool.ts'
import { createTestDatabase, eventually } from '../../helper.ts'
import { startProxy } from '../../proxy.ts'

const url = await createTestDatabase()

function open(t: Test, options: Partial<DatabaseOptions> = {}) {
  const sql = createDatabase({ url, ...options })
  t.teardown(() => sql.end())
  return sql
}

async function openThroughProxy(t: Test, options: Partial<DatabaseOptions> = {}) {
  const proxy = await startProxy(url)
  t.teardown(() => proxy.close())
  return { proxy, sql: open(t, { url: proxy.url, ...options }) }
}

async function timed<T>(work: Promise<T>) {
  const begun = performance.now()
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { error, ms: performance.now() - begun }
}

t.test('a fragment can stand in a query, and a transaction in place of the pool', async (t) => {
  const sql = open(t)
  const two = sql`select ${2}::int as n`
  t.strictSame([...(await sql`select n + 1 as n from (${two}) x`)], [{ n: 3 }])
  const answer = await sql.begin(async (tx) => {
    const [row] = await tx<{ v: { a: string } }[]>`select ${tx.json({ a: 'b' })}::jsonb as v`
    return row?.v
  })
  t.strictSame(answer, { a: 'b' })
  t.strictSame([...(await sql.unsafe('select $1::int as n', [7]))], [{ n: 7 }])
  t.strictSame(
    (await sql.script('begin; select 1 as n; select 2 as n; commit')).map((row) => row.n),
    [1, 2],
  )
  t.match(await sql`select 1 as n`.catch(() => 'failed').finally(() => {}), [{ n: 1 }])
})

t.test('a transaction whose work fails is rolled back', async (t) => {
  const sql = open(t)
  await sql`create table rolled (id int)`
  const work = sql.begin(async (tx) => {
    await tx`insert into rolled values (1)`
    throw new Error('no')
  })
  await t.rejects(work, /no/)
  t.equal((await sql`select from rolled`).length, 0)
})

t.test('every way to ask has a deadline on a connection that has gone silent', async (t) => {
  const { proxy, sql } = await openThroughProxy(t, { deadlineMs: 300 })
  await sql`select 1`
  proxy.freeze()
  const ways: [string, Promise<unknown>][] = [
    ['query', sql`select 1`],
    ['unsafe', sql.unsafe('select 1')],
    ['transaction', sql.begin((tx) => tx`select 1`)],
    ['script', sql.script('select 1')],
  ]
  const outcomes = await Promise.all(ways.map(async ([way, work]) => ({ way, ...(await timed(work)) })))
  for (const { way, error, ms } of outcomes) {
    t.type(error, DatabaseTimeout, way)
    t.ok(ms < 600, `${way} took ${Math.round(ms)} ms`)
  }
})

t.test('a script that fails leaves no open transaction behind for others to fall into', async (t) => {
  const sql = open(t, { max: 1 })
  await t.rejects(sql.script('begin; select 1 / 0; commit'), { code: '22012' })
  t.strictSame([...(await sql`select 1 as n`)], [{ n: 1 }])
  const open_ =
    await sql`select from pg_stat_activity where datname = current_database() and state like 'idle in tr%'`
  t.equal(open_.length, 0)
})

t.test('without a deadline of its own a query counts as lost well before VAPI gives up', async (t) => {
  const { proxy, sql } = await openThroughProxy(t)
  await sql`select 1`
  proxy.freeze()
  const { error, ms } = await timed(sql`select 1`)
  proxy.killAll()
  t.type(error, DatabaseTimeout)
  t.ok(ms < 1_500, `${Math.round(ms)} ms`)
})

t.test('after repeated timeouts the pool is replaced, and works once the network does', async (t) => {
  let replaced = 0
  const { proxy, sql } = await openThroughProxy(t, { deadlineMs: 150, onReplaced: () => replaced++ })
  await sql`select 1`
  proxy.freeze()
  for (let n = 0; n < 3; n++) await t.rejects(sql`select ${n}::int`, DatabaseTimeout)
  t.equal(replaced, 1)
  await t.rejects(sql`select 1`, DatabaseTimeout, 'the new pool fares no better while nothing goes through')
  proxy.thaw()
  await eventually(
    () =>
      sql`select 1`.then(
        () => true,
        () => false,
      ),
    'the database to be back',
    5,
  )
})

t.test('what hung before the network broke down holds no connection afterwards', async (t) => {
  const { proxy, sql } = await openThroughProxy(t, { deadlineMs: 150, max: 2 })
  proxy.freeze()
  await Promise.all(Array.from({ length: 20 }, () => t.rejects(sql`select 1`)))
  proxy.killAll()
  proxy.thaw()
  await eventually(
    () =>
      sql`select 1`.then(
        () => true,
        () => false,
      ),
    'the database to be back',
    5,
  )
  t.equal((await Promise.all(Array.from({ length: 20 }, () => sql`select 1`))).length, 20)
})

t.test('a statement that is slow, not lost, leaves the pool alone while others are answered', async (t) => {
  let replaced = 0
  const sql = open(t, { deadlineMs: 300, onReplaced: () => replaced++ })
  for (let n = 0; n < 4; n++) {
    const slow = t.rejects(sql`select pg_sleep(1)`, DatabaseTimeout)
    await sql`select 1`
    await slow
    await sql`select 1`
  }
  t.equal(replaced, 0)
})

t.test('an answer, even a bad one, shows that the connection lives', async (t) => {
  let replaced = 0
  const sql = open(t, { deadlineMs: 200, onReplaced: () => replaced++ })
  for (let n = 0; n < 4; n++) {
    await t.rejects(sql`select pg_sleep(0.5)`, DatabaseTimeout)
    await t.rejects(sql`select 1 / 0`, { code: '22012' })
  }
  t.equal(replaced, 0)
})
