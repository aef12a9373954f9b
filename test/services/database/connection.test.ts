import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { createDatabase, type DatabaseOptions } from '../../../services/database/pool.ts'
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

t.test('arrays go in and come out as they are', async (t) => {
  const sql = open(t)
  const words = ['a', '', 'NULL', 'b,c', 'say "hi"', 'back\\slash', '{}', 'two\nlines', 'é日本']
  const ids = ['11111111-1111-4111-8111-111111111111']
  const given = await sql`
    select ${words}::text[] as words, ${[]}::text[] as none, ${['x', null]}::text[] as gap, ${ids}::uuid[] as ids,
      ${[1, 2]}::int[] as numbers, ${[{ a: 1 }]}::jsonb[] as objects`
  t.match(given, [{ words, none: [], gap: ['x', null], ids, numbers: [1, 2], objects: [{ a: 1 }] }])
  const made = await sql`
    select array[true, false, null] as flags, array['2026-08-21T15:00:00Z'::timestamptz] as times, array[1.5::float8] as parts`
  t.match(made, [{ flags: [true, false, null], times: [new Date('2026-08-21T15:00:00Z')], parts: [1.5] }])
  t.match(await sql.unsafe('select 2 = any($1::int[]) as found', [[1, 2]]), [{ found: true }])
})

t.test('a connection that breaks while it is being made ends no process', async (t) => {
  const proxy = await startProxy(url)
  t.teardown(() => proxy.close())
  for (let round = 0; round < 40; round++) {
    const sql = createDatabase({ url: proxy.url, deadlineMs: 1_000 })
    const asked = [1, 2, 3].map((n) =>
      sql`select ${n}::int as n`.then(
        () => 'answered',
        () => 'refused',
      ),
    )
    // At another moment each time.
    for (let tick = 0; tick < round; tick++) await new Promise(setImmediate)
    proxy.killAll()
    for (const outcome of await Promise.all(asked)) t.match(outcome, /answered|refused/)
    await sql.end()
  }
})

t.test('a refused or cut connection is an error at once, and the next query may succeed', async (t) => {
  const { proxy, sql } = await openThroughProxy(t)
  await sql`select 1`
  const running = sql`select pg_sleep(5)`.catch((error) => error)
  await eventually(async () => {
    const rows =
      await sql`select from pg_stat_activity where query = 'select pg_sleep(5)' and state = 'active'`
    return rows.length === 1
  }, 'the query to run')
  proxy.killAll()
  t.match(await running, { code: 'CONNECTION_CLOSED' })
  await eventually(
    () =>
      sql`select 1`.then(
        () => true,
        () => false,
      ),
    'another connection',
    5,
  )
  proxy.refuse()
  await t.rejects(sql`select 1`)
  proxy.accept()
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

t.test('who asks again at the very moment a connection breaks gets an answer, or an error', async (t) => {
  const { proxy, sql } = await openThroughProxy(t, { max: 3, deadlineMs: 3_000 })
  const again = async (error: unknown): Promise<unknown> => {
    t.match(error, { code: /CONNECTION_CLOSED|ECONN/ })
    return sql`select 1 as n`.catch(again)
  }
  for (let round = 0; round < 5; round++) {
    await sql`select 1`
    proxy.freeze()
    const asked = Array.from({ length: 9 }, () => sql`select 1 as n`.catch(again))
    await new Promise(setImmediate)
    proxy.killAll()
    proxy.thaw()
    t.match(
      await Promise.all(asked),
      Array.from({ length: 9 }, () => [{ n: 1 }]),
    )
  }
})

t.test('a server that closes each connection during start-up does not make the process spin', async (t) => {
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    socket.on('error', () => {})
    socket.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const sql = open(t, { url: `postgres://u:p@127.0.0.1:${port}/d`, deadlineMs: 300 })
  const before = process.cpuUsage()
  const begun = performance.now()
  let failures = 0
  while (performance.now() - begun < 2_000) await sql`select 1`.catch(() => failures++)
  const { user, system } = process.cpuUsage(before)
  const load = (user + system) / 1_000 / (performance.now() - begun)
  t.comment(`${connections} connections, ${failures} failed queries, load ${load.toFixed(2)}`)
  t.ok(failures > 2)
  t.ok(load < 0.5, `the process was busy ${Math.round(load * 100)} % of the time`)
  t.ok(connections < 200, `${connections} connections in two seconds`)
})

t.test('a process whose pool was replaced and ended, ends by itself', async (t) => {
  const proxy = await startProxy(url)
  t.teardown(() => proxy.close())
  const pool = new URL('../../../services/database/pool.ts', import.meta.url).href
  const code = `
    const { createDatabase } = await import(${JSON.stringify(pool)})
    const sql = createDatabase({ url: ${JSON.stringify(proxy.url)}, deadlineMs: 150, onReplaced: () => process.stdout.write('replaced ') })
    await sql\`select 1\`
    process.stdout.write('connected ')
    await new Promise((resolve) => process.stdin.once('data', resolve))
    process.stdin.destroy()
    for (let n = 0; n < 4; n++) await sql\`select 1\`.catch(() => process.stdout.write('lost '))
    await sql.end()
    process.stdout.write('ended')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  const exited = once(child, 'exit')
  await eventually(() => output.includes('connected'), 'the first query')
  proxy.freeze()
  child.stdin.write('go\n')
  const [status] = await exited
  t.equal(status, 0)
  t.equal(output, 'connected lost lost replaced lost lost ended')
})
