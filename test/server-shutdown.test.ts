import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import { createDatabase } from '../services/database/pool.ts'
import { createTestDatabase, eventually } from './helper.ts'
import { headersFor, stateless } from './mcp.ts'
import { addressIn, type ServerProcess, startProcess, startServer } from './process.ts'
import { startProxy } from './proxy.ts'

const TOKEN = 'test-webhook-token'
const NUMBER = '+17785550142'
const PRODUCTION = { NODE_ENV: 'production', ENCRYPTION_KEY: 'ab'.repeat(32) }

/** A database with one client, seen as its owner sees it. */
async function withClient(t: Test) {
  const url = await createTestDatabase()
  const sql = createDatabase({ url })
  t.teardown(() => sql.end())
  await sql`
    insert into clients (client_name, twilio_number, ghl_token, location_id)
    values ('Riverside Plumbing', ${NUMBER}, 'pit-plain', 'TestLocation00000001')`
  return { url, sql }
}

async function listening(t: Test, env: Record<string, string | undefined>) {
  const server = startServer(t, { VAPI_WEBHOOK_TOKEN: TOKEN, ...env })
  const gone = server.ended.then(([code]) => {
    throw new Error(`it ended with ${code}: ${server.stderr()}`)
  })
  const ready = eventually(() => addressIn(server.logs), 'the server to listen', 60)
  return { server, origin: await Promise.race([ready, gone]) }
}

const said = ({ logs }: ServerProcess, text: RegExp) => logs.some(({ msg }) => text.test(String(msg)))

const statusUpdate = (callId: string) =>
  JSON.stringify({
    message: {
      type: 'status-update',
      status: 'in-progress',
      call: { id: callId },
      phoneNumber: { number: NUMBER },
    },
  })
const webhookHeaders = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

/** A request of which the second half is sent when it is told to. */
function half(origin: string, callId: string) {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname).setEncoding('utf8')
  const body = statusUpdate(callId)
  const head = Object.entries({ host: 'a', ...webhookHeaders, 'content-length': body.length })
  const lines = head.map(([name, value]) => `${name}: ${value}`)
  socket.write(['POST /vapi/webhooks HTTP/1.1', ...lines, '', body.slice(0, 20)].join('\r\n'))
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', () => {})
  const ended = once(socket, 'close').then(() => answer)
  return { finish: () => socket.write(body.slice(20)), ended }
}

t.test('told to end under load it loses nothing that it has acknowledged, and resets nobody', async (t) => {
  const { url, sql } = await withClient(t)
  const { server, origin } = await listening(t, { ...PRODUCTION, DATABASE_URL: url })
  const agent = new Agent({ connections: 8 })
  t.teardown(() => agent.destroy())
  const acknowledged: string[] = []
  const others: string[] = []
  let routed = true
  // As a load balancer does: it sends requests until the instance says that it is not ready.
  const balancer = (async () => {
    while (routed) {
      const ready = await request(`${origin}/ready`)
      routed = ready.statusCode === 200
      if (!routed) t.strictSame(await ready.body.json(), { status: 'draining' })
      else await ready.body.dump()
      await after(20)
    }
  })()
  const sender = async (name: string) => {
    for (let n = 0; routed; n++) {
      const callId = `${name}-${n}`
      try {
        const { statusCode, body } = await request(`${origin}/vapi/webhooks`, {
          method: 'POST',
          headers: webhookHeaders,
          body: statusUpdate(callId),
          dispatcher: agent,
        })
        await body.dump()
        if (statusCode === 200) acknowledged.push(callId)
        // Under pressure it says so, and VAPI comes again.
        else if (statusCode !== 503) others.push(`${callId}: ${statusCode}`)
      } catch (error) {
        others.push(`${callId}: ${error}`)
      }
    }
  }
  const senders = Array.from({ length: 8 }, (_, n) => sender(`load-${n}`))
  await eventually(() => acknowledged.length > 50, 'load')
  const slow = half(origin, 'slow')

  server.child.kill('SIGTERM')
  await balancer
  await Promise.all(senders)
  t.match((await request(`${origin}/health`)).statusCode, 200, 'it still serves')
  slow.finish()
  t.match(await slow.ended, /^HTTP\/1.1 200/, 'a request under way is answered')
  t.strictSame(await server.ended, [0, null])

  t.strictSame(others, [], 'nobody was sent away')
  const rows = await sql.forAllClients<{ id: string }[]>`select vapi_call_id as id from voice_sessions`
  const kept = new Set(rows.map(({ id }) => id))
  t.strictSame(
    [...acknowledged, 'slow'].filter((id) => !kept.has(id)),
    [],
    `${acknowledged.length} acknowledged`,
  )
})

t.test('ten open streams do not hold it', async (t) => {
  const { url } = await withClient(t)
  const { server, origin } = await listening(t, { DATABASE_URL: url })
  const { headers, message } = stateless('subscriptions/listen', {
    notifications: { toolsListChanged: true },
  })
  const open = async () => {
    const response = await fetch(`${origin}/mcp`, {
      method: 'POST',
      headers: { ...headersFor({ number: NUMBER }), ...headers },
      body: JSON.stringify(message),
    })
    if (response.status === 200) return response
    // A machine with much else to do is under pressure.
    t.equal(response.status, 503)
    return undefined
  }
  const streams = await Promise.all(Array.from({ length: 10 }, () => eventually(open, 'a stream')))
  for (const stream of streams) t.match(stream.headers.get('content-type'), /^text\/event-stream/)
  server.child.kill('SIGTERM')
  for (const stream of streams) await stream.text()
  t.strictSame(await server.ended, [0, null])
  t.notOk(said(server, /killed by timeout|have been cut/))
})

t.test('a request that hangs is waited for, and a second signal ends that', async (t) => {
  const { url } = await withClient(t)
  const { server, origin } = await listening(t, { DATABASE_URL: url })
  const stuck = half(origin, 'stuck')
  await eventually(
    async () => (await request(`${origin}/health`)).statusCode === 200,
    'the request to have come',
  )
  server.child.kill('SIGTERM')
  await eventually(() => said(server, /^closing$/), 'it to close')
  t.equal(server.child.exitCode, null, 'it waits')
  const begun = performance.now()
  server.child.kill('SIGTERM')
  t.strictSame(await server.ended, [1, null])
  t.ok(performance.now() - begun < 5_000, 'at once')
  await stuck.ended
})

t.test('a database that does not answer does not hold it for long', async (t) => {
  const { url } = await withClient(t)
  const proxy = await startProxy(url)
  t.teardown(() => proxy.close())
  const { server } = await listening(t, { DATABASE_URL: proxy.url })
  proxy.freeze()
  const begun = performance.now()
  server.child.kill('SIGTERM')
  t.strictSame(await server.ended, [0, null])
  const seconds = (performance.now() - begun) / 1_000
  t.comment(`closed in ${seconds.toFixed(1)} s`)
  t.ok(seconds < 30, `closed in ${seconds.toFixed(1)} s`)
})

t.test('nothing keeps a closed server alive', async (t) => {
  const { url } = await withClient(t)
  const program = `
    import { buildApp } from './app.ts'
    import { loadConfig } from './config.ts'
    const app = await buildApp(loadConfig())
    await app.listen({ host: '127.0.0.1', port: 0 })
    await app.close()
    console.log('closed')
    setTimeout(() => {
      console.log(process.getActiveResourcesInfo().join())
      process.exit(7)
    }, 20_000).unref()`
  const { child, ended } = startProcess(
    t,
    process.execPath,
    ['--input-type=module-typescript', '--eval', program],
    { DATABASE_URL: url, VAPI_WEBHOOK_TOKEN: TOKEN, LOG_LEVEL: 'error' },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  t.strictSame(await ended, [0, null], output)
  t.match(output, /closed/)
})
