import { once } from 'node:events'
import { connect } from 'node:net'
import Fastify, { type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import edge from '../../plugins/edge.ts'
import errors from '../../plugins/errors.ts'
import { serverOptions } from '../../plugins/http.ts'
import { build } from '../helper.ts'
import { addressOf, headersFor } from '../mcp.ts'

/** A server with the bounds of the real one, which says what it sees of a request. */
async function bounded(t: Test, trustedProxies = 0, options: FastifyServerOptions & { http?: object } = {}) {
  const app = Fastify({ ...serverOptions({ trustedProxies }), ...options })
  await app.register(errors)
  await app.register(edge)
  app.all('/echo/:name', async ({ ip, host, protocol, body }) => ({ ip, host, protocol, body }))
  t.teardown(() => app.close())
  return { app, port: Number(new URL(await addressOf(app)).port) }
}

/** Sends bytes as they are, and answers everything that comes until the other side closes. */
async function raw(port: number, ...parts: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  socket.on('error', () => {})
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  for (const part of parts) socket.write(part)
  await once(socket, 'close')
  return answer
}

const problemIn = (answer: string) => ({
  status: Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]),
  mime: /content-type: (\S+)/i.exec(answer)?.[1],
  ...JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)),
})
const PROBLEM = 'application/problem+json;'
const head = (...lines: string[]) => ['POST /echo/a HTTP/1.1', 'host: a', ...lines, '', ''].join('\r\n')

t.test('what is no HTTP, or too much of it, gets a problem document and no second chance', async (t) => {
  const { app, port } = await bounded(t)
  t.match(problemIn(await raw(port, 'knock knock\r\n\r\n')), {
    status: 400,
    mime: PROBLEM,
    code: 'MALFORMED_REQUEST',
  })
  const large = await raw(port, head(`x-large: ${'a'.repeat(20_000)}`))
  t.match(problemIn(large), { status: 431, mime: PROBLEM, code: 'HEADERS_TOO_LARGE' })
  const long = await raw(port, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`)
  t.match(problemIn(long), { status: 431, code: 'HEADERS_TOO_LARGE' }, 'the address counts as well')

  const headers = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`x-${n}`, 'a']))
  const many = await app.inject({ url: '/echo/a', headers })
  t.match([many.statusCode, many.json()], [431, { code: 'HEADERS_TOO_MANY' }])
  const name = await app.inject({ url: `/echo/${'a'.repeat(300)}` })
  t.match([name.statusCode, name.json()], [414, { code: 'FST_ERR_MAX_PARAM_LENGTH', requestId: String }])
  const spoilt = await app.inject({ url: '/echo/%zz-swordfish' })
  t.match([spoilt.statusCode, spoilt.json()], [400, { code: 'FST_ERR_BAD_URL' }])
  t.match(spoilt.headers['content-type'], PROBLEM)
  t.notMatch(spoilt.body, 'swordfish')
})

t.test('a request that two readers could take for two different ones is refused', async (t) => {
  const { port } = await bounded(t)
  const smuggled = 'GET /echo/smuggled HTTP/1.1\r\nhost: a\r\n\r\n'
  const ambiguous = [
    ['content-length: 0', `content-length: ${smuggled.length}`],
    ['content-length: 5', 'transfer-encoding: chunked'],
    ['transfer-encoding: chunked, identity'],
    ['transfer-encoding : chunked'],
  ]
  for (const lines of ambiguous) {
    const answer = await raw(port, head(...lines), `0\r\n\r\n${smuggled}`)
    t.match(problemIn(answer), { status: 400, code: 'MALFORMED_REQUEST' }, lines.join(' + '))
    t.equal(answer.split('HTTP/1.1 ').length, 2, 'one answer, and the connection ends')
  }
})

t.test('whoever sends a byte now and then is cut off', async (t) => {
  const soon = { requestTimeout: 300, http: { connectionsCheckingInterval: 50, headersTimeout: 200 } }
  const { port } = await bounded(t, 0, soon)
  const body = await raw(port, head('content-type: application/json', 'content-length: 100'), '{')
  t.match(problemIn(body), { status: 408, mime: PROBLEM, code: 'REQUEST_TIMEOUT' })
  const headers = await raw(port, 'POST /echo/a HTTP/1.1\r\nhost:')
  t.match(problemIn(headers), { status: 408, code: 'REQUEST_TIMEOUT' })
})

t.test('the deadlines leave room for the largest report on a slow line', async (t) => {
  const { requestTimeout, http, keepAliveTimeout } = serverOptions({ trustedProxies: 0 })
  const bitsPerSecond = (16 * 1024 * 1024 * 8) / (requestTimeout / 1_000)
  t.ok(bitsPerSecond < 1_500_000, `${Math.round(bitsPerSecond / 1_000)} kbit/s do`)
  t.ok(http.headersTimeout < requestTimeout)
  t.ok(keepAliveTimeout > 60_000, 'a proxy closes first')
})

t.test('only so many proxies are believed', async (t) => {
  const forwarded = {
    'x-forwarded-for': '6.6.6.6, 198.51.100.1, 192.0.2.1',
    'x-forwarded-host': 'evil.example, agent.example.com',
    'x-forwarded-proto': 'https',
  }
  const seen = async (proxies: number) =>
    (await (await bounded(t, proxies)).app.inject({ url: '/echo/a', headers: forwarded })).json()
  t.match(await seen(0), { ip: '127.0.0.1', host: 'localhost:80', protocol: 'http' }, 'nobody')
  t.match(await seen(1), { ip: '192.0.2.1', host: 'agent.example.com', protocol: 'https' })
  t.match(await seen(2), { ip: '198.51.100.1' }, 'what a client wrote itself is not reached')
})

const nested = (depth: number) => `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`

t.test('bodies that are too deep, too large, or reach for a prototype', async (t) => {
  const { app, addClient } = await build(t)
  const client = await addClient()
  const post = async (url: string, payload: string) => {
    const begun = performance.now()
    const headers = { ...headersFor(client), host: 'agent.example.com' }
    const response = await app.inject({ method: 'POST', url, headers, payload })
    return { status: response.statusCode, json: response.json(), ms: performance.now() - begun }
  }
  const rest = '/tools/check_availability'
  for (const url of [rest, '/mcp', '/vapi/webhooks'])
    for (const depth of [201, 10_000]) {
      const { status, json, ms } = await post(url, nested(depth))
      t.equal(status, 400, `${url}: ${depth} levels`)
      t.match(JSON.stringify(json), /deeper than 200 levels/)
      t.ok(ms < 5_000, 'at no great cost')
    }
  const report = (inner: string) =>
    `{"message":{"type":"end-of-call-report","call":{"id":"deep-1"},"phoneNumber":{"number":"${client.number}"},"x":${inner}}}`
  t.match(await post('/vapi/webhooks', report(nested(198))), { status: 200, json: { received: true } })

  for (const poison of ['{"__proto__":{"admin":true}}', '{"constructor":{"prototype":{"admin":true}}}']) {
    t.equal((await post(rest, poison)).status, 400, poison)
    t.match(await post('/mcp', poison), { status: 400, json: { error: { code: -32_700 } } })
    // A caller's words must not lose the report they are in.
    t.equal((await post('/vapi/webhooks', report(poison))).status, 200)
  }
  t.notOk('admin' in {}, 'and nobody is an admin now')

  const large = JSON.stringify({ client_id: client.id, filler: 'a'.repeat(1024 * 1024) })
  t.equal((await post(rest, large)).status, 413)
  t.equal((await post('/mcp', large)).status, 413)
  t.equal((await post('/vapi/webhooks', report(large))).status, 200, 'reports may be larger')
})

t.test('deep arguments of a tool, as text in a message that is not deep', async (t) => {
  const { webhook, addClient } = await build(t)
  const client = await addClient()
  const toolCall = { id: 't1', function: { name: 'take_message', arguments: nested(10_000) } }
  const response = await webhook({
    message: {
      type: 'tool-calls',
      call: { id: 'deep-2' },
      phoneNumber: { number: client.number },
      toolCallList: [toolCall],
    },
  })
  t.match([response.statusCode, response.json()], [200, { results: [{ toolCallId: 't1', error: String }] }])
})
