import t, { type Test } from 'tap'
import { asOwner, build, createTestDatabase, eventually, type Harness } from '../../helper.ts'
import { startProxy, type TcpProxy } from '../../proxy.ts'

/** VAPI waits 7.5 s for an assistant. */
const KNOWN_MS = 1_000
const UNKNOWN_MS = 2_000
const REFUSAL_MS = 1_500

const database = createTestDatabase()

async function harness(t: Test, env = {}): Promise<Harness & { proxy: TcpProxy }> {
  const proxy = await startProxy(await database)
  t.teardown(() => proxy.close())
  const built = await build(t, { databaseUrl: proxy.url, env: { CLIENT_CACHE_TTL_MS: '1000', ...env } })
  // The connections must be let go before they can be closed in order.
  t.teardown(() => {
    proxy.thaw()
    proxy.accept()
  })
  return { ...built, proxy }
}

async function timed(t: Test, limit: number, what: string, send: () => ReturnType<Harness['webhook']>) {
  const begun = performance.now()
  const answer = await send()
  const ms = Math.round(performance.now() - begun)
  t.ok(ms < limit, `${what}: within ${limit} ms`)
  t.comment(`${what}: ${ms} ms`)
  return answer
}

const outages: Record<string, (proxy: TcpProxy) => { begin(): void; end(): void }> = {
  frozen: (proxy) => ({ begin: () => proxy.freeze(), end: () => proxy.thaw() }),
  refused: (proxy) => ({ begin: () => proxy.refuse(), end: () => proxy.accept() }),
}

for (const [kind, of] of Object.entries(outages)) {
  t.test(`a database that is ${kind}`, async (t) => {
    const { proxy, webhook, addClient, app, logs } = await harness(t)
    const outage = of(proxy)
    const client = await addClient({ client_name: `Known while ${kind}` })
    const phoneNumber = { number: client.number }
    const ring = (number: string) =>
      webhook({ message: { type: 'assistant-request', phoneNumber: { number } } })
    const lifecycle = (id: string) =>
      webhook({
        message: {
          type: 'status-update',
          status: 'in-progress',
          call: { id },
          phoneNumber,
          assistant: { metadata: { clientId: client.id } },
        },
      })
    const name = `Known while ${kind}`
    // A change is still being announced when it has just been made, and what is read meanwhile is not kept.
    await eventually(
      async () => (await ring(client.number)) && app.clients.size.current > 0,
      'a client in memory',
    )
    t.match((await ring(client.number)).json(), { assistant: { name } })
    t.equal((await lifecycle(`before-${kind}`)).statusCode, 200)

    outage.begin()
    const fresh = await timed(t, REFUSAL_MS, 'a lifecycle message of a client in memory', () =>
      lifecycle(`at-once-${kind}`),
    )
    t.equal(fresh.statusCode, 503)
    t.ok(Number(fresh.headers['retry-after']) > 0)

    // The time of the cache has passed: only then is the last known client what is fallen back on.
    const warned = () => logs.some(({ msg }) => /the last known client answers/.test(String(msg)))
    await eventually(async () => (await ring(client.number)) && warned(), 'the cache to be out of date')

    for (const attempt of [1, 2, 3, 4, 5]) {
      const known = await timed(t, KNOWN_MS, `a known number, ${attempt}`, () => ring(client.number))
      t.match([known.statusCode, known.json()], [200, { assistant: { name } }])
    }
    for (const number of ['+14155550141', '+14155550142']) {
      const unknown = await timed(t, UNKNOWN_MS, 'a number never seen', () => ring(number))
      t.match([unknown.statusCode, unknown.json()], [200, { assistant: { name: 'Receptionist' } }])
    }
    for (const attempt of [1, 2, 3]) {
      const refused = await timed(t, REFUSAL_MS, `a lifecycle message, ${attempt}`, () =>
        lifecycle(`lost-${kind}`),
      )
      t.equal(refused.statusCode, 503)
      t.ok(Number(refused.headers['retry-after']) > 0)
      t.match(refused.json(), { code: 'DATABASE_UNAVAILABLE' })
    }
    const stranger = await timed(t, REFUSAL_MS, 'a lifecycle message of a client never seen', () =>
      webhook({ message: { type: 'hang', call: { id: 'x' }, phoneNumber: { number: '+14155550143' } } }),
    )
    t.equal(stranger.statusCode, 503)
    const tool = await webhook({
      message: {
        type: 'tool-calls',
        call: { id: `tool-${kind}` },
        phoneNumber,
        toolCallList: [{ id: 'call_1', name: 'check_availability', arguments: {} }],
      },
    })
    t.match([tool.statusCode, tool.json()], [200, { results: [{ toolCallId: 'call_1' }] }])

    outage.end()
    const healed = performance.now()
    await eventually(
      async () => (await lifecycle(`after-${kind}`)).statusCode === 200,
      'the database to be back',
    )
    t.comment(`messages are taken again after ${Math.round(performance.now() - healed)} ms`)
    const [row] = await asOwner(
      app,
    )`select status from voice_sessions where vapi_call_id = ${`after-${kind}`}`
    t.match(row, { status: 'in-progress' }, 'without a restart')
    const late = await addClient({ client_name: 'Came Later' })
    t.match((await ring(late.number)).json(), { assistant: { name: 'Came Later' } })
    await eventually(async () => (await app.inject({ url: '/ready' })).statusCode === 200, 'readiness')
    t.comment(`everything works again after ${Math.round(performance.now() - healed)} ms`)
  })
}

t.test(
  'connections that break in the middle of a transaction end neither the server nor its service',
  async (t) => {
    const { proxy, webhook, addClient, app } = await harness(t)
    const client = await addClient()
    const send = (id: string) =>
      webhook({ message: { type: 'hang', call: { id }, phoneNumber: { number: client.number } } })
    t.equal((await send('kill-1')).statusCode, 200)
    for (const round of [1, 2, 3]) {
      const writing = asOwner(app).begin(async (tx) => {
        await tx`select pg_sleep(1)`
        await tx`select 1`
      })
      const broken = t.rejects(writing, `round ${round}`)
      await eventually(async () => {
        const [row] = await asOwner(
          app,
        )`select 1 from pg_stat_activity where query like 'select pg_sleep(1)%'`
        return row
      }, 'the transaction to be under way')
      proxy.killAll()
      await broken
      await eventually(async () => (await send(`kill-2-${round}`)).statusCode === 200, 'new connections')
    }
    t.equal((await send('kill-3')).statusCode, 200)
  },
)
