import t, { type Test } from 'tap'
import { request } from 'undici'
import { createTestDatabase, eventually } from './helper.ts'
import { addressIn, type ServerProcess, startServer } from './process.ts'

async function listening(server: ServerProcess): Promise<string> {
  const gone = server.ended.then(([code]) => {
    throw new Error(`it ended with ${code}: ${server.stderr()}`)
  })
  return Promise.race([eventually(() => addressIn(server.logs), 'the server to listen', 60), gone])
}

async function stopped(t: Test, server: ServerProcess) {
  const begun = performance.now()
  server.child.kill('SIGTERM')
  t.strictSame(await server.ended, [0, null])
  // In production it serves on for three seconds.
  t.ok(performance.now() - begun < 12_000, 'promptly')
}

const databaseUrl = createTestDatabase('empty')
const ENCRYPTION_KEY = 'ab'.repeat(32)

t.test('in production it refuses to start without its variables, and says which', async (t) => {
  const server = startServer(t, {
    NODE_ENV: 'production',
    DATABASE_URL: await databaseUrl,
    PORT: 'nowhere-4711',
  })
  t.strictSame(await server.ended, [1, null])
  t.match(server.stderr(), /VAPI_WEBHOOK_TOKEN or VAPI_HMAC_SECRET is required with NODE_ENV=production/)
  t.match(server.stderr(), /PORT must be a whole number/)
  t.notMatch(server.stderr(), /4711|\bat /, 'no values, and no stack')
  t.strictSame(server.logs, [])
})

t.test('without the token each start in development says that authentication is off', async (t) => {
  for (const start of ['first', 'second']) {
    const server = startServer(t, { DATABASE_URL: await databaseUrl })
    const address = await listening(server)
    const loud = server.logs.filter(({ msg }) => /AUTHENTICATION IS OFF/.test(String(msg)))
    t.match(loud, [{ level: 50, msg: /VAPI_WEBHOOK_TOKEN/ }], start)
    t.equal((await request(`${address}/health`)).statusCode, 200)
    await stopped(t, server)
  }
})

t.test('it starts on a database that it has used before, answers, and ends when it is told to', async (t) => {
  const env = {
    NODE_ENV: 'production',
    DATABASE_URL: await databaseUrl,
    VAPI_WEBHOOK_TOKEN: 'a-token',
    ENCRYPTION_KEY,
  }
  const servers = [startServer(t, env), startServer(t, env)]
  for (const server of servers) {
    const address = await listening(server)
    const ready = await request(`${address}/ready`)
    t.equal(ready.statusCode, 200)
    t.strictSame(await ready.body.json(), { status: 'ok', database: 'ok', migrations: 'ok', queue: 'ok' })
    const rung = await request(`${address}/vapi/webhooks`, {
      method: 'POST',
      headers: { authorization: 'Bearer a-token', 'content-type': 'application/json' },
      body: JSON.stringify({ message: { type: 'assistant-request' } }),
    })
    t.match(await rung.body.json(), { assistant: { name: String } })
    t.notMatch(JSON.stringify(server.logs), /a-token/)
    t.match(
      server.logs,
      Array.from(server.logs, () => ({ level: Number, msg: String })),
    )
  }
  for (const server of servers) await stopped(t, server)
})

t.test('it says what it will not do once calls come in', async (t) => {
  const server = startServer(t, {
    NODE_ENV: 'production',
    DATABASE_URL: await databaseUrl,
    VAPI_WEBHOOK_TOKEN: 'a-token',
    VAPI_API_KEY: 'a-key',
    ENCRYPTION_KEY,
  })
  await listening(server)
  const warnings = server.logs.filter(({ level }) => level === 40).map(({ msg }) => msg)
  t.match(warnings, [/^PUBLIC_URL is http:\/\/localhost/])
  t.equal(warnings.length, 1)
  await stopped(t, server)
})

t.test('without a database it gives up, with a reason and without the password', async (t) => {
  const server = startServer(t, { DATABASE_URL: 'postgres://agent:swordfish@127.0.0.1:1/none' })
  t.strictSame(await server.ended, [1, null])
  t.match(server.stderr(), /ECONNREFUSED/)
  t.notMatch(server.stderr(), /swordfish/)
})
