import t, { type Test } from 'tap'
import { createListener, type ListenerOptions } from '../../../services/database/listener.ts'
import { createDatabase, type Runner } from '../../../services/database/pool.ts'
import { createTestDatabase, eventually } from '../../helper.ts'
import { startProxy } from '../../proxy.ts'

const url = await createTestDatabase()

async function listen(t: Test, options: Partial<ListenerOptions> = {}) {
  const sql = createDatabase({ url })
  const seen = { messages: [] as string[], listening: 0, lost: [] as string[] }
  const listener = createListener({
    url,
    sql,
    channel: 'test_channel',
    onMessage: (payload) => void seen.messages.push(payload),
    onListening: () => void seen.listening++,
    onLost: (reason) => void seen.lost.push(reason),
    heartbeatMs: 200,
    ...options,
  })
  t.teardown(async () => {
    await listener.close()
    await sql.end()
  })
  return { sql, seen, listener }
}

/** Sends until it is heard: how long it took. */
async function heard(sql: ReturnType<typeof createDatabase>, messages: string[], text: string) {
  await sql`select pg_notify('test_channel', ${text})`
  const begun = performance.now()
  await eventually(() => messages.includes(text), text, 5)
  return performance.now() - begun
}

t.test('messages come through, heartbeats of this and other instances do not', async (t) => {
  const { sql, seen } = await listen(t)
  let beats = 0
  const counting = (...query: Parameters<Runner>) => {
    beats += 1
    return sql(...query)
  }
  const other = await listen(t, { sql: Object.assign(counting, sql) as Runner })
  await eventually(() => seen.listening && other.seen.listening, 'listening')
  await eventually(() => beats >= 2 && other.listener.alive, 'two heartbeats')
  t.ok((await heard(sql, seen.messages, 'one')) < 1_000)
  await eventually(() => other.seen.messages.length, 'the other one')
  t.strictSame(seen.messages, ['one'])
  t.strictSame(other.seen.messages, ['one'])
})

t.test('after its backend was killed it listens again, says so, and hears', async (t) => {
  const { sql, seen } = await listen(t, { heartbeatMs: 60_000 })
  await eventually(() => seen.listening === 1, 'listening')
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = '1000x-agent listener' and datname = current_database()`
  await eventually(() => seen.listening === 2, 'listening again', 5)
  t.ok((await heard(sql, seen.messages, 'two')) < 1_000)
})

t.test('a connection that has gone silent is noticed, reported once, and replaced', async (t) => {
  const proxy = await startProxy(url)
  t.teardown(() => proxy.close())
  const { sql, seen, listener } = await listen(t, { url: proxy.url })
  await eventually(() => seen.listening === 1, 'listening')
  proxy.freeze()
  await eventually(() => seen.lost.length > 0, 'the loss', 10)
  t.equal(listener.alive, false)
  proxy.thaw()
  await eventually(() => seen.listening >= 2, 'listening again', 15)
  t.ok((await heard(sql, seen.messages, 'three')) < 1_000)
  t.equal(seen.lost.length, 1, 'one loss, one line')
  await eventually(() => listener.alive, 'a heartbeat')
})

t.test('a server that is not there at first is listened to once it is', async (t) => {
  const proxy = await startProxy(url)
  t.teardown(() => proxy.close())
  proxy.refuse()
  const { sql, seen } = await listen(t, { url: proxy.url })
  await eventually(() => seen.lost.length === 1, 'the loss', 10)
  t.equal(seen.listening, 0)
  proxy.accept()
  await eventually(() => seen.listening > 0, 'listening', 15)
  t.ok((await heard(sql, seen.messages, 'four')) < 1_000)
})

t.test('closed, it leaves no connection behind', async (t) => {
  const { sql, seen, listener } = await listen(t)
  await eventually(() => seen.listening === 1, 'listening')
  await listener.close()
  await eventually(
    async () => {
      const rows = await sql`select from pg_stat_activity
      where application_name = '1000x-agent listener' and datname = current_database()`
      return rows.length === 0
    },
    'its connection to be gone',
    5,
  )
  t.equal(seen.listening, 1)
})
