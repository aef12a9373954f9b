import { randomBytes } from 'node:crypto'
import t from 'tap'
import { ConfigError, loadConfig } from '../config.ts'

const problemsOf = (env: Record<string, string | undefined>): readonly string[] => {
  try {
    loadConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}
const namesOf = (env: Record<string, string | undefined>) =>
  problemsOf(env).map((problem) => problem.split(' ')[0])

const KEY = randomBytes(32).toString('base64')

t.test('an empty environment is good for development', async (t) => {
  t.match(loadConfig({}), {
    env: 'development',
    host: '0.0.0.0',
    port: 3000,
    logLevel: 'info',
    publicUrl: 'http://localhost:3000',
    databaseUrl: undefined,
    dataDirectory: '.data',
    vapi: { webhookTokens: [], credentialId: undefined, apiKey: undefined, baseUrl: 'https://api.vapi.ai' },
    ghl: { baseUrl: 'https://services.leadconnectorhq.com' },
    clientCache: { ttlMs: 300_000, max: 10_000 },
  })
})

t.test('every bad variable is listed, at once and by name', async (t) => {
  const bad = {
    NODE_ENV: 'prod',
    PORT: 'http',
    LOG_LEVEL: 'LOUD',
    PUBLIC_URL: 'agent.example.com',
    DATABASE_URL: 'mysql://host/db',
    VAPI_BASE_URL: 'ftp://api.vapi.ai',
    GHL_BASE_URL: '//',
    CLIENT_CACHE_TTL_MS: '999',
    CLIENT_CACHE_MAX: '0',
  }
  t.strictSame(namesOf(bad).toSorted(), Object.keys(bad).toSorted())
  t.match(problemsOf({ PORT: '99999' }), ['PORT must be a whole number from 0 to 65535'])
  t.throws(() => loadConfig(bad), { name: 'ConfigError', message: /not usable:\n {2}- .+\n {2}- / })
})

t.test('values are never repeated', async (t) => {
  const secret = 'hunter2-swordfish'
  const problems = problemsOf({
    NODE_ENV: secret,
    PORT: secret,
    LOG_LEVEL: secret,
    PUBLIC_URL: secret,
    DATABASE_URL: `mysql://user:${secret}@host/db`,
    VAPI_BASE_URL: `ftp://${secret}`,
    GHL_BASE_URL: secret,
    CLIENT_CACHE_TTL_MS: secret,
    CLIENT_CACHE_MAX: secret,
  })
  t.equal(problems.length, 9)
  t.notMatch(problems.join('\n'), secret)
})

t.test('a number is digits', async (t) => {
  for (const PORT of ['true', '80.5', '0x50', '1e3', '-1', '+80', '65536', '8080 or so'])
    t.strictSame(namesOf({ PORT }), ['PORT'], PORT)
  t.equal(loadConfig({ PORT: ' 8080 ' }).port, 8080)
  t.equal(loadConfig({ PORT: '0' }).port, 0)
})

t.test('an empty variable counts as absent', async (t) => {
  t.strictSame(
    loadConfig({ PORT: '', DATABASE_URL: ' ', VAPI_WEBHOOK_TOKEN: '', LOG_LEVEL: '' }),
    loadConfig({}),
  )
})

t.test('production refuses to start without its database and its secrets', async (t) => {
  const without = ['DATABASE_URL', 'ENCRYPTION_KEY', 'VAPI_WEBHOOK_TOKEN']
  t.strictSame(namesOf({ NODE_ENV: 'production' }).toSorted(), without)
  const production = {
    NODE_ENV: 'production',
    DATABASE_URL: 'postgres://localhost/agent',
    ENCRYPTION_KEY: KEY,
  }
  for (const VAPI_WEBHOOK_TOKEN of [undefined, '', ' ', ' , ,'])
    t.strictSame(namesOf({ ...production, VAPI_WEBHOOK_TOKEN }), ['VAPI_WEBHOOK_TOKEN'])
  t.equal(loadConfig({ ...production, VAPI_WEBHOOK_TOKEN: 'x' }).env, 'production')
  t.equal(loadConfig({ ...production, VAPI_HMAC_SECRET: 'x' }).env, 'production')
})

t.test('a key is 32 bytes, in base64 or hex', async (t) => {
  const hex = Buffer.from(KEY, 'base64').toString('hex')
  for (const ENCRYPTION_KEY of [KEY, hex, `${KEY},${hex}`, KEY.replace('=', '')])
    t.equal(loadConfig({ ENCRYPTION_KEY }).encryptionKeys.length, ENCRYPTION_KEY.split(',').length)
  for (const ENCRYPTION_KEY of [
    'secret',
    hex.slice(2),
    `${KEY}AAAA`,
    `${KEY},short`,
    `${KEY.slice(0, -2)}!=`,
  ])
    t.strictSame(namesOf({ ENCRYPTION_KEY }), ['ENCRYPTION_KEY'], ENCRYPTION_KEY)
})

t.test('an admin has a name, for the audit log', async (t) => {
  t.strictSame(loadConfig({ ADMIN_TOKEN: 'ann:one, two, with spaces: three' }).adminTokens, [
    { name: 'ann', token: 'one' },
    { name: 'admin', token: 'two' },
    { name: 'admin', token: 'with spaces: three' },
  ])
})

t.test('what makes sense only together is asked for together', async (t) => {
  t.strictSame(namesOf({ DATABASE_DIRECT_URL: 'postgres://localhost/agent' }), ['DATABASE_DIRECT_URL'])
  t.strictSame(namesOf({ GHL_CLIENT_ID: 'a' }), ['GHL_CLIENT_SECRET'])
  t.strictSame(namesOf({ GHL_CLIENT_SECRET: 'b' }), ['GHL_CLIENT_ID'])
  t.strictSame(loadConfig({ GHL_CLIENT_ID: 'a', GHL_CLIENT_SECRET: 'b' }).ghl.app, {
    clientId: 'a',
    clientSecret: 'b',
  })
  t.strictSame(namesOf({ REDIS_URL: 'http://localhost' }), ['REDIS_URL'])
})

t.test('tokens come as a list, so that they can be rotated', async (t) => {
  t.strictSame(loadConfig({ VAPI_WEBHOOK_TOKEN: ' new, old ,,' }).vapi.webhookTokens, ['new', 'old'])
})

t.test('addresses are taken without a slash at the end', async (t) => {
  const config = loadConfig({
    PUBLIC_URL: 'https://a.example//',
    VAPI_BASE_URL: 'http://v/',
    GHL_BASE_URL: 'http://g/',
  })
  t.strictSame(
    [config.publicUrl, config.vapi.baseUrl, config.ghl.baseUrl],
    ['https://a.example', 'http://v', 'http://g'],
  )
})

t.test('the configuration is frozen, all the way down', async (t) => {
  const config = loadConfig({ VAPI_WEBHOOK_TOKEN: 'a' })
  for (const part of [config, config.vapi, config.vapi.webhookTokens, config.ghl, config.clientCache])
    t.ok(Object.isFrozen(part))
})
