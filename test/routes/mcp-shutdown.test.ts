import sensible from '@fastify/sensible'
import Fastify from 'fastify'
import t from 'tap'
import errors from '../../plugins/errors.ts'
import mcp from '../../routes/mcp.ts'
import { eventually } from '../helper.ts'
import { addressOf, buildMcp, headersFor, stateless, toolNames } from '../mcp.ts'

t.test('closing lets calls finish and ends streams that would not', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const client = await addClient()
  await toolNames(app, client)
  const url = `${await addressOf(app)}/mcp`
  const send = (method: string, params: Record<string, unknown>) => {
    const { headers, message } = stateless(method, params)
    return fetch(url, {
      method: 'POST',
      headers: { ...headersFor(client), ...headers },
      body: JSON.stringify(message),
    })
  }
  const listening = await send('subscriptions/listen', { notifications: { toolsListChanged: true } })
  t.equal(listening.status, 200)
  upstream.behave({ delayMs: 500 })
  const before = upstream.requests.length
  const call = send('tools/call', { name: 'contacts_get-contact', arguments: { path_contactId: 'c1' } })
  await eventually(() => upstream.requests.length > before, 'the call to be under way')

  const closed = app.close()
  t.match(await (await call).json(), { result: { content: [{ text: /c1/ }] } }, 'the call is answered')
  await listening.text()
  await closed
  t.pass('and the server has closed')
})

t.test('a limit that is reached is told in JSON-RPC, with the time to wait', async (t) => {
  const app = Fastify()
  await app.register(errors)
  await app.register(sensible)
  await app.register(async (scope) => {
    scope.addHook('onRequest', async (_request, reply) => {
      reply.header('retry-after', 7)
      throw app.httpErrors.tooManyRequests('Slow down')
    })
    await scope.register(mcp, { publicUrl: 'https://agent.example.com' })
  })
  t.teardown(() => app.close())
  const response = await app.inject({ method: 'POST', url: '/mcp', payload: { id: 1 } })
  t.equal(response.statusCode, 429)
  t.equal(response.headers['retry-after'], '7')
  t.match(response.json(), { jsonrpc: '2.0', id: null, error: { code: -32_000, message: 'Slow down' } })
})
