import Fastify from 'fastify'
import t from 'tap'
import requestLog from '../../plugins/request-log.ts'
import { build, TOKEN } from '../helper.ts'

/** Who may call what. A route that is added without a line here fails. */
const PUBLIC = new Set(['health.live', 'health.ready', 'recordings.open'])
const GUARDED = new Set([
  ...['vapi.webhook', 'mcp', 'mcp.method-refused', 'openapi'],
  ...['tools.find_or_create_contact', 'tools.check_availability', 'tools.book_appointment'],
  ...['tools.list_appointments', 'tools.reschedule_appointment', 'tools.cancel_appointment'],
  ...['tools.send_sms', 'tools.take_message'],
])

t.test('every route but the public ones wants a credential', async (t) => {
  const { app, addClient } = await build(t)
  const client = await addClient()
  for (const [route, operation] of app.operations) {
    if (PUBLIC.has(operation)) continue
    t.ok(GUARDED.has(operation), `${route} (${operation}) stands in the table`)
    const [method, url] = route.split(' ') as ['POST', string]
    const headers = { 'x-phone-number': client.number, host: 'agent.example.com' }
    const wrong = [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: `Basic ${TOKEN}` },
      { 'x-vapi-secret': 'wrong' },
    ]
    for (const credential of [...wrong, { authorization: `Bearer ${client.token}` }]) {
      const payload = method === 'POST' ? { payload: { client_id: client.id } } : {}
      const { statusCode, headers: answer } = await app.inject({
        method,
        url,
        headers: { ...headers, ...credential },
        ...payload,
      })
      t.equal(statusCode, 401, `${route} with ${JSON.stringify(Object.keys(credential))}`)
      t.ok(answer['www-authenticate'], 'says how')
    }
  }
  t.ok(app.operations.size >= PUBLIC.size + GUARDED.size - 1, `${app.operations.size} routes`)
})

t.test('a route that does not say what it does, or has no schema, cannot be added', async (t) => {
  const app = Fastify()
  await app.register(requestLog)
  const handler = async () => ({})
  t.throws(() => app.get('/a', { schema: {} }, handler), /GET \/a has no operation/)
  t.throws(() => app.get('/b', { config: { operation: 'b' } }, handler), /no schema/)
  app.get('/c', { config: { operation: 'c' }, schema: {} }, handler)
  t.equal(app.operations.get('GET /c'), 'c')
})
