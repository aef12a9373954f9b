import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { createSender, UpstreamError } from '../../services/upstream.ts'

async function serve(t: Test, listener: RequestListener, deadlineMs = 2_000) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const dispatcher = new Agent()
  t.teardown(async () => {
    await dispatcher.destroy()
    server.closeAllConnections()
    server.close()
  })
  return createSender({ baseUrl: `http://127.0.0.1:${port}`, dispatcher, deadlineMs })
}

const signal = () => new AbortController().signal
const failure = (sending: Promise<unknown>): Promise<UpstreamError> =>
  sending.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => (error instanceof UpstreamError ? error : Promise.reject(error)),
  )

t.test('what is sent', async (t) => {
  const seen: string[] = []
  const send = await serve(t, (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['content-type']} ${request.headers.accept}`)
    request.resume().on('end', () => response.setHeader('x-a', 'b').end('{"a":1}'))
  })
  const answer = await send({
    method: 'GET',
    path: '/a',
    query: { number: '+1 250', none: undefined, n: 7 },
    signal: signal(),
  })
  t.match(answer, { status: 200, text: '{"a":1}', headers: { 'x-a': 'b' } })
  await send({ method: 'POST', path: '/b', body: {}, signal: signal() })
  t.strictSame(seen, [
    'GET /a?number=%2B1+250&n=7 undefined application/json',
    'POST /b application/json application/json',
  ])
})

t.test('a redirect is handed back, not followed', async (t) => {
  const paths: string[] = []
  const send = await serve(t, (request, response) => {
    paths.push(request.url ?? '')
    response.writeHead(302, { location: '/elsewhere' }).end()
  })
  t.match(await send({ method: 'GET', path: '/a', signal: signal() }), {
    status: 302,
    headers: { location: '/elsewhere' },
  })
  t.strictSame(paths, ['/a'])
})

t.test('what each failure is taken for', async (t) => {
  const cases = [
    [400, 'none', false, 'CRM_REFUSED', 502],
    [401, 'none', true, 'CRM_REFUSED', 502],
    [404, 'none', false, 'CRM_REFUSED', 502],
    [429, 'none', true, 'CRM_UNAVAILABLE', 503],
    [500, 'unknown', true, 'CRM_UNAVAILABLE', 503],
    [503, 'unknown', true, 'CRM_UNAVAILABLE', 503],
  ] as const
  for (const [status, outcome, retryable, code, shown] of cases) {
    const send = await serve(t, (_request, response) => {
      response.writeHead(status, { 'retry-after': '3' }).end('{"message":"secret text"}')
    })
    const error = await failure(
      send({ method: 'POST', path: '/contacts/abc123def456ghi7/notes', signal: signal() }),
    )
    t.match(error, { status, outcome, retryable, retryAfterSeconds: 3, body: { message: 'secret text' } })
    t.equal(error.operation, 'POST /contacts/:id/notes', 'no id')
    t.notMatch(
      JSON.stringify(error) + error.message + Object.keys(error),
      /secret|body/,
      'a logger does not see it',
    )
    t.match(error.toAppError(), { code, status: shown, retryAfterSeconds: 3, cause: error })
  }
})

t.test('no answer', async (t) => {
  const hangs = await serve(t, () => {}, 100)
  const late = await failure(hangs({ method: 'POST', path: '/a', signal: signal() }))
  t.match(late, { status: undefined, outcome: 'unknown', retryable: true, unanswered: true })
  t.equal(late.toAppError().code, 'CRM_TIMEOUT')

  const slow = await serve(t, (_request, response) => void response.writeHead(200).write('{"half":'), 100)
  t.match(await failure(slow({ method: 'GET', path: '/a', signal: signal() })), {
    status: undefined,
    outcome: 'unknown',
  })

  const drops = await serve(t, (request) => void request.socket.destroy())
  t.match(await failure(drops({ method: 'POST', path: '/a', signal: signal() })), { outcome: 'unknown' })

  const aborted = AbortSignal.abort()
  t.match(await failure(hangs({ method: 'GET', path: '/a', signal: aborted })), { status: undefined })

  const dispatcher = new Agent()
  t.teardown(() => dispatcher.destroy())
  const nobody = createSender({ baseUrl: 'http://127.0.0.1:1', dispatcher, deadlineMs: 1_000 })
  const refused = await failure(nobody({ method: 'POST', path: '/a', signal: signal() }))
  t.match(refused, { status: undefined, outcome: 'none' })
  t.equal(refused.toAppError().code, 'CRM_UNAVAILABLE', 'it never left')
})
