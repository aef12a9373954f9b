import { once } from 'node:events'
import { connect } from 'node:net'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import edge, { type EdgePluginOptions } from '../../plugins/edge.ts'
import errors from '../../plugins/errors.ts'
import { serverOptions } from '../../plugins/http.ts'
import { eventually } from '../helper.ts'
import { addressOf } from '../mcp.ts'

/** A server whose route answers when it is told to. */
async function closing(t: Test, options: EdgePluginOptions = {}) {
  const app = Fastify(serverOptions({ trustedProxies: 0 }))
  await app.register(errors)
  await app.register(edge, options)
  const gate = Promise.withResolvers<void>()
  let waiting = 0
  // As long as streams are ended, new connections are still taken.
  app.addHook('preClose', () => gate.promise)
  app.post('/slow', async () => {
    waiting += 1
    await gate.promise
    return { done: true }
  })
  app.get('/quick', async () => ({ done: true }))
  const origin = await addressOf(app)
  const agent = new Agent({ connections: 2 })
  t.teardown(() => agent.destroy())
  const ask = (path: string, method: 'GET' | 'POST' = 'GET') =>
    request(`${origin}${path}`, { method, dispatcher: agent })
  return { app, origin, ask, gate, waiting: () => waiting }
}

t.test('a draining server serves, and asks for no more on each connection', async (t) => {
  const { app, ask, gate } = await closing(t)
  gate.resolve()
  const before = await ask('/quick')
  t.strictSame([before.statusCode, before.headers.connection], [200, 'keep-alive'])
  await before.body.dump()
  app.draining.begin()
  const then = await ask('/quick')
  t.strictSame([then.statusCode, then.headers.connection], [200, 'close'])
  await then.body.dump()
  await app.close()
})

t.test('what is under way is answered, and so is what still comes', async (t) => {
  const { app, ask, gate, waiting } = await closing(t)
  const slow = ask('/slow', 'POST')
  await eventually(() => waiting() === 1, 'the request')
  const closed = app.close()
  await eventually(() => app.draining.active, 'the server to close')
  const late = await ask('/quick')
  t.strictSame([late.statusCode, late.headers.connection], [200, 'close'], 'nobody is sent away')
  await late.body.dump()
  gate.resolve()
  await eventually(() => !app.server.listening, 'it to take no more connections')
  const answer = await slow
  t.strictSame([answer.statusCode, answer.headers.connection], [200, 'close'])
  t.strictSame(await answer.body.json(), { done: true })
  await closed
})

t.test('a body that never ends does not hold the server', async (t) => {
  const { app, origin, gate } = await closing(t, { closeDeadlineMs: 200 })
  gate.resolve()
  const { hostname, port } = new URL(origin)
  const stuck = connect(Number(port), hostname)
  stuck.on('error', () => {})
  const accepted = once(app.server, 'request')
  stuck.write(
    'POST /slow HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
  )
  await accepted
  await Promise.all([once(stuck, 'close'), app.close()])
  t.pass('it has closed')
})
