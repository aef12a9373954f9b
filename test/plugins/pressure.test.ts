import Fastify from 'fastify'
import t from 'tap'
import metrics from '../../plugins/metrics.ts'
import pressure from '../../plugins/pressure.ts'
import requestLog from '../../plugins/request-log.ts'
import type { Reading } from '../../services/pressure.ts'
import { build, eventually, TOKEN } from '../helper.ts'
import { callTool, rpc } from '../mcp.ts'

const ADMIN = 'the-admin-token'

t.test('as the pressure rises, lists go first, then programs, then reports; never a caller', async (t) => {
  let reading: Reading = { delayMs: 0, utilization: 0, memory: 0 }
  const { app, logs, webhook, addClient } = await build(t, {
    env: { ADMIN_TOKEN: ADMIN },
    overrides: { pressure: { reading: () => reading, sampleMs: 20 } },
  })
  const client = await addClient()
  const phoneNumber = { number: client.number }
  const about = { call: { id: 'pressed-1' }, phoneNumber }
  const tool = { name: 'check_availability', arguments: { date: '2026-08-24' } }
  let turn = 0

  /** What every door answers now. */
  async function doors() {
    turn += 1
    const list = await rpc(app, client, 'tools/list')
    const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
    const payload = { client_id: client.id, ...tool.arguments }
    const rest = await app.inject({ method: 'POST', url: `/tools/${tool.name}`, ...bearer(TOKEN), payload })
    const admin = await app.inject({ url: '/admin/clients', ...bearer(ADMIN) })
    const report = await webhook({ message: { type: 'status-update', status: 'in-progress', ...about } })
    const ring = await webhook({ message: { type: 'assistant-request', phoneNumber } })
    const used = await webhook({
      message: { type: 'tool-calls', ...about, toolCallList: [{ id: `t-${turn}`, function: tool }] },
    })
    const mcp = await callTool(app, client, tool.name, tool.arguments, { 'x-call-id': 'pressed-1' })
    t.match(ring.json(), { assistant: { name: String } }, 'a caller hears somebody')
    t.match(used.json(), { results: [{ result: String }] }, 'tools work')
    t.notOk(mcp.isError, 'through MCP as well')
    t.equal((await app.inject({ url: '/health' })).statusCode, 200)
    t.equal((await app.inject({ url: '/ready' })).statusCode, 200, 'the others would be pressed all the more')
    for (const answer of [rest, admin, report])
      if (answer.statusCode === 503) {
        t.match((answer.json as () => unknown)(), { code: 'OVERLOADED' })
        t.ok(Number(answer.headers['retry-after']) > 0, 'it may come again')
      }
    return { list: list.status, rest: rest.statusCode, admin: admin.statusCode, report: report.statusCode }
  }
  async function pressed(change: Partial<Reading>, level: number) {
    reading = { delayMs: 0, utilization: 0, memory: 0, ...change }
    await eventually(() => app.pressure.level === level, `level ${level}`)
    return doors()
  }

  const served = { list: 200, rest: 200, admin: 200, report: 200 }
  t.strictSame(await pressed({}, 0), served)
  t.strictSame(await pressed({ delayMs: 150 }, 1), { ...served, list: 503 })
  t.strictSame(await pressed({ memory: 0.93 }, 2), { ...served, list: 503, rest: 503, admin: 503 })
  t.strictSame(await pressed({ delayMs: 800 }, 3), { list: 503, rest: 503, admin: 503, report: 503 })
  const shown = await app.metrics.registry.getSingleMetricAsString('pressure_level')
  t.match(shown, /^pressure_level 3$/m)
  t.strictSame(await pressed({}, 0), served, 'and all is as it was')

  const said = logs.filter(({ msg }) => /pressure/.test(String(msg)))
  t.strictSame(
    said.map(({ before, pressure, level }) => [before, pressure, level]),
    [
      [0, 1, 40],
      [1, 2, 40],
      [2, 3, 40],
      [3, 0, 30],
    ],
  )
  t.strictSame(
    logs.filter(({ level, msg }) => Number(level) >= 50 && msg === 'request failed'),
    [],
    'what is left undone is no error',
  )
})

t.test('a process that is really late is under pressure, and then no more', async (t) => {
  const app = Fastify()
  for (const plugin of [requestLog, metrics]) await app.register(plugin)
  await app.register(pressure, { sampleMs: 100 })
  t.teardown(() => app.close())
  await app.ready()
  let busy = true
  const block = () => {
    const until = performance.now() + 300
    while (performance.now() < until);
    if (busy) setImmediate(block)
  }
  block()
  await eventually(() => app.pressure.level >= 2, 'pressure')
  t.throws(() => app.pressure.shed('rest'), { code: 'OVERLOADED', status: 503 })
  busy = false
  // The machine itself may be pressed by others.
  await eventually(() => app.pressure.level < 2, 'calm')
  t.doesNotThrow(() => app.pressure.shed('rest'))
})
