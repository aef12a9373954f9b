import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import redis from '../../plugins/redis.ts'
import { eventually } from '../helper.ts'

async function start(t: Test, url: string | undefined) {
  const logs: { level: number; msg: string }[] = []
  const stream = { write: (line: string) => void logs.push(JSON.parse(line)) }
  const app = Fastify({ logger: { stream } })
  await app.register(redis, { url })
  t.teardown(() => app.close())
  return { app, logs }
}

t.test('without an address there is none', async (t) => {
  const { app, logs } = await start(t, undefined)
  t.equal(app.redis, undefined)
  t.strictSame(logs, [])
})

t.test('nobody there: the server starts, says so once, and no command waits', async (t) => {
  const { app, logs } = await start(t, 'redis://127.0.0.1:1')
  await eventually(() => logs.length > 0, 'a word about it')
  await t.rejects(async () => app.redis?.get('a'))
  await eventually(
    () => app.redis?.status === 'reconnecting' || app.redis?.status === 'connecting',
    'another try',
  )
  t.equal(logs.filter(({ msg }) => msg.startsWith('Redis is away')).length, 1)
})

t.test('one that takes connections and never answers is not waited for', async (t) => {
  const sockets: Socket[] = []
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => {}).resume()))
  await once(silent.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const address = silent.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const { app } = await start(t, `redis://127.0.0.1:${port}`)
  await eventually(() => sockets.length > 0, 'the connection')
  const begun = performance.now()
  await t.rejects(async () => app.redis?.get('a'))
  // 40 ms, and what a busy machine adds; the default would be for ever.
  t.ok(performance.now() - begun < 1_500)
  await eventually(() => sockets.length > 1, 'another connection in its place')
})
