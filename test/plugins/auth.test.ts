import { connect } from 'node:net'
import t from 'tap'
import { build, TOKEN } from '../helper.ts'

const BODY = JSON.stringify({ message: { type: 'hang' } })

t.test('who may post to the webhook', async (t) => {
  const { app } = await build(t, { env: { VAPI_WEBHOOK_TOKEN: 'new-token, old-token' } })
  const post = (headers: Record<string, string>) =>
    app.inject({
      method: 'POST',
      url: '/vapi/webhooks',
      headers: { 'content-type': 'application/json', ...headers },
      payload: BODY,
    })

  for (const token of ['new-token', 'old-token']) {
    t.equal((await post({ authorization: `Bearer ${token}` })).statusCode, 200, token)
    t.equal((await post({ 'x-vapi-secret': token })).statusCode, 200, `${token} in the older header`)
  }
  const strangers: Record<string, string>[] = [
    {},
    { authorization: '' },
    { authorization: 'Bearer' },
    { authorization: 'Bearer ' },
    { authorization: 'Bearer wrong' },
    { authorization: 'Bearer new-toke' },
    { authorization: 'Bearer new-token2' },
    { authorization: 'Bearer new-token, old-token' },
    { authorization: 'Basic new-token' },
    { authorization: 'new-token' },
    { 'x-vapi-secret': '' },
    { 'x-vapi-secret': 'wrong' },
    { 'x-vapi-secret': 'new-token, old-token' },
    { 'x-vapi-signature': 'new-token' },
  ]
  for (const headers of strangers) {
    const refused = await post(headers)
    const name = JSON.stringify(headers)
    t.equal(refused.statusCode, 401, name)
    t.match(refused.headers['www-authenticate'], /^Bearer realm=/, name)
    t.match(refused.headers['content-type'], 'application/problem+json', name)
    t.match(refused.json(), { status: 401, code: 'UNAUTHORIZED', requestId: String }, name)
  }
})

t.test('a stranger is sent away before the body is read', async (t) => {
  const { app } = await build(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  const socket = connect(typeof address === 'object' && address ? address.port : 0, '127.0.0.1')
  t.teardown(() => socket.destroy())
  // A body is promised and never comes.
  socket.write(
    'POST /vapi/webhooks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
      'authorization: Bearer wrong\r\ncontent-length: 1000000\r\n\r\n',
  )
  const answer = await new Promise<string>((resolve, reject) => {
    socket.once('data', (chunk) => resolve(chunk.toString()))
    socket.once('error', reject)
    socket.once('end', () => reject(new Error('closed without an answer')))
  })
  t.match(answer, /^HTTP\/1\.1 401 /)
})

t.test('tools ask for the same token, and the public routes for none', async (t) => {
  const { app } = await build(t)
  const tool = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/tools/check_availability', headers, payload: {} })
  t.equal((await tool({})).statusCode, 401)
  t.equal((await tool({ authorization: 'Bearer wrong' })).statusCode, 401)
  t.equal(
    (await tool({ authorization: `Bearer ${TOKEN}` })).statusCode,
    400,
    'let in, and then told what is missing',
  )
  for (const url of ['/health', '/ready']) t.equal((await app.inject({ url })).statusCode, 200)
  t.equal((await app.inject({ url: '/recordings/x' })).statusCode, 404)
})

t.test('without a token everybody is let in, and the log says so loudly', async (t) => {
  const { app, logs } = await build(t, { env: { VAPI_WEBHOOK_TOKEN: undefined } })
  const open = await app.inject({ method: 'POST', url: '/vapi/webhooks', payload: { type: 'hang' } })
  t.equal(open.statusCode, 200)
  t.match(
    logs.filter(({ msg }) => /AUTHENTICATION IS OFF/.test(String(msg))),
    [{ level: 50, msg: /VAPI_WEBHOOK_TOKEN is not set/ }],
  )
})

t.test('with a token the log does not say that', async (t) => {
  const { logs } = await build(t)
  t.notMatch(JSON.stringify(logs), /AUTHENTICATION/)
})
