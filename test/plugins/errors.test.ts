import Fastify from 'fastify'
import t from 'tap'
import errors from '../../plugins/errors.ts'
import { loggerOptions } from '../../plugins/request-log.ts'
import { SourceUnavailable } from '../../services/cache.ts'
import { DatabaseTimeout } from '../../services/database/pool.ts'
import { AppError, invalid } from '../../services/errors.ts'

/** A server whose only route fails with what it is given. */
async function failing(error: unknown) {
  const logs: Record<string, unknown>[] = []
  const app = Fastify({
    logger: loggerOptions('info', { write: (line) => void logs.push(JSON.parse(line)) }),
  })
  await app.register(errors)
  app.get('/', async () => {
    throw error
  })
  app.post(
    '/',
    { schema: { body: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } } },
    () => 'ok',
  )
  t.teardown(() => app.close())
  return { app, logs, response: await app.inject({ url: '/' }) }
}

t.test('a failure of the catalogue is told as it stands there', async (t) => {
  const cause = new Error('postgres://user:swordfish@host')
  const { response, logs } = await failing(new AppError('CRM_UNAVAILABLE', { cause, retryAfterSeconds: 1.2 }))
  t.equal(response.statusCode, 503)
  t.equal(response.headers['retry-after'], '2')
  t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
  t.strictSame(Object.keys(response.json()).toSorted(), ['code', 'requestId', 'status', 'title', 'type'])
  t.match(response.json(), {
    status: 503,
    code: 'CRM_UNAVAILABLE',
    title: 'The CRM is not available right now.',
  })
  t.notMatch(response.body, 'swordfish')
  t.match(
    logs.filter(({ level }) => level === 50),
    [{ code: 'CRM_UNAVAILABLE', msg: 'request failed' }],
  )
})

t.test('an input that does not fit names its field', async (t) => {
  const { response } = await failing(invalid('start_time', 'start_time lies in the past'))
  t.match(response.json(), {
    status: 400,
    code: 'INVALID_INPUT',
    detail: 'start_time lies in the past',
    errors: [{ field: 'start_time' }],
  })
})

t.test('what is not in the catalogue is told as nothing but a failure', async (t) => {
  const { response, logs } = await failing(new Error('select * from secrets'))
  t.equal(response.statusCode, 500)
  t.match(response.json(), { status: 500, code: 'INTERNAL', title: 'Something went wrong on our side.' })
  t.notMatch(response.body, 'secrets')
  t.match(
    logs.filter(({ level }) => level === 50),
    [{ err: { message: 'select * from secrets' } }],
  )
})

t.test('a database that is away is 503 and worth another try; one that refuses is not', async (t) => {
  const withCode = (code: string) => Object.assign(new Error(code), { code })
  const away = [
    new DatabaseTimeout('late'),
    new SourceUnavailable('none'),
    ...[
      'ECONNREFUSED',
      'CONNECTION_CLOSED',
      'CONNECT_TIMEOUT',
      '57P01',
      '57P03',
      '08006',
      '53300',
      '25006',
    ].map(withCode),
  ]
  for (const error of away) {
    const { response } = await failing(error)
    t.equal(response.statusCode, 503, error.message)
    t.ok(Number(response.headers['retry-after']) > 0)
    t.match(response.json(), { code: 'DATABASE_UNAVAILABLE' })
  }
  for (const code of ['23505', '22P05', '42P01'])
    t.equal((await failing(withCode(code))).response.statusCode, 500, code)
})

t.test('what is not there, and bodies that are not what they should be', async (t) => {
  const { app } = await failing(new Error('not of interest'))
  const unknown = await app.inject({ url: '/nowhere?token=swordfish' })
  t.equal(unknown.statusCode, 404)
  t.match(unknown.json(), { code: 'ROUTE_UNKNOWN', status: 404 })
  t.notMatch(unknown.body, 'swordfish')

  const missing = await app.inject({ method: 'POST', url: '/', payload: {} })
  t.match(
    [missing.statusCode, missing.json()],
    [400, { detail: 'name is required', errors: [{ field: 'name' }] }],
  )
  const wrong = await app.inject({ method: 'POST', url: '/', payload: { name: {} } })
  t.match(wrong.json(), { status: 400, detail: 'name must be string' })
  const broken = await app.inject({
    method: 'POST',
    url: '/',
    headers: { 'content-type': 'application/json' },
    payload: '{',
  })
  t.match(broken.json(), { status: 400, title: /not valid JSON/ })
})

t.test('even what is no error is answered', async (t) => {
  for (const thrown of [null, undefined, 'text', 5, {}]) {
    const { response } = await failing(thrown)
    t.equal(response.statusCode, 500, String(thrown))
    t.match(response.json(), { code: 'INTERNAL' })
  }
})
