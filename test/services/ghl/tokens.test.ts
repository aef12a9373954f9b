import t from 'tap'
import { NotSent, UpstreamError } from '../../../services/upstream.ts'
import { eventually } from '../../helper.ts'
import { startWorld, type World } from './governed.ts'

const failure = (work: Promise<unknown>): Promise<UpstreamError> =>
  work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => (error instanceof UpstreamError ? error : Promise.reject(error)),
  )
const refreshes = (world: World) =>
  world.requests('/oauth/token').filter(({ request }) => {
    const { grant_type } = request.body as { grant_type: string }
    return grant_type === 'refresh_token'
  })
const lookups = (world: World) => world.requests('/contacts/search/duplicate')
const tokensSent = (world: World) =>
  new Set(lookups(world).map(({ request }) => request.headers.authorization))

t.test('a client that is connected uses its tokens, the others their own', async (t) => {
  const world = await startWorld(t)
  const [connected, plain] = [await world.addClient(), await world.addClient()]
  await world.connect(connected)
  const { look } = world.instance()
  await look(connected)
  await look(plain)
  const [first, second] = lookups(world).map(({ request }) => request.headers.authorization)
  t.match(first, /^Bearer access-/)
  t.equal(second, `Bearer ${plain.token}`)
})

t.test('what is stored is sealed, for its row and column, and of no other client', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  const other = await world.addClient()
  await world.connect(client)
  const { look, logs } = world.instance()
  const [row] = await world.sql.forClient(client.clientId)`select * from ghl_oauth_tokens`
  t.match(row, { access_token: /^sealed:/, refresh_token: /^sealed:/ })
  t.equal((await world.sql.forClient(other.clientId)`select * from ghl_oauth_tokens`).length, 0)
  t.equal((await world.sql`select * from ghl_oauth_tokens`).length, 0, 'nobody in particular sees none')

  await world.connect(other)
  await world.sql.forClient(other.clientId)`
    update ghl_oauth_tokens set access_token = ${row?.access_token}, version = version + 1`
  await look(other)
  t.match(lookups(world).at(-1)?.request.headers, { authorization: `Bearer ${other.token}` })
  t.match(logs, [{ message: /cannot be opened/, facts: { client: other.clientId } }])
})

t.test('tokens that have ended are renewed once, for any number of requests on any instance', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  await world.connect(client)
  const instances = [world.instance(), world.instance(), world.instance()]
  await Promise.all(instances.map(({ look }) => look(client)))
  for (const how of ['refused', 'out of time'] as const) {
    const before = refreshes(world).length
    world.crm.oauth.expire(client.locationId)
    if (how === 'out of time') {
      await world.sql.forClient(client.clientId)`update ghl_oauth_tokens set expires_at = now()`
      for (const { tokens } of instances) tokens.changed(client.clientId)
    }
    const all = instances.flatMap(({ look }) => Array.from({ length: 10 }, () => look(client)))
    t.strictSame(await Promise.all(all), Array(30).fill(undefined), `${how}: all were answered`)
    t.equal(refreshes(world).length - before, 1)
  }
  const [row] = await world.sql.forClient(client.clientId)`
    select version, refreshing_until from ghl_oauth_tokens`
  t.strictSame(row, { version: 3, refreshing_until: null })
  t.equal([...tokensSent(world)].filter((token) => String(token).startsWith('Bearer access-')).length, 3)
})

t.test('they are renewed beside the work before they end', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  await world.connect(client)
  await world.sql.forClient(client.clientId)`
    update ghl_oauth_tokens set expires_at = now() + interval '5 minutes'`
  world.crm.fault({ match: { path: '/oauth/token' }, times: 1, kind: { type: 'delay', ms: 300 } })
  const { look } = world.instance()
  await look(client)
  t.equal(refreshes(world)[0]?.response, undefined, 'nobody waited for it')
  await eventually(async () => {
    await look(client)
    return tokensSent(world).size === 2
  }, 'the new one to be used')
  t.equal(refreshes(world).length, 1)
})

t.test('a process that dies with the new tokens in its hands', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  await world.connect(client)
  const never = new Promise<never>(() => {})
  const dying = world.instance({ repository: { replace: () => never } })
  await dying.look(client)
  world.crm.oauth.expire(client.locationId)
  const gone = failure(dying.look(client, { signal: AbortSignal.timeout(500) }))
  await eventually(() => refreshes(world).at(0)?.response, 'the answer that is lost')
  t.match(await gone, { held: 'cancelled', outcome: 'none' })

  const heir = world.instance()
  t.match(await failure(heir.look(client, { signal: AbortSignal.timeout(300) })), { held: 'cancelled' })
  t.equal(refreshes(world).length, 1, 'nobody spends it again while the other may live')
  await world.sql.forClient(client.clientId)`update ghl_oauth_tokens set refreshing_until = now()`
  t.equal(await heir.look(client), undefined, 'the app is reconnected without anybody')
  t.equal(world.requests('/oauth/reconnect').length, 1)
  t.equal(await heir.look(client), undefined)
  t.equal(refreshes(world).length, 2)
})

t.test('new tokens are stored however long the database is away', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  await world.connect(client)
  let refused = 0
  const { look } = world.instance({
    repository: {
      replace: async (...args) => {
        if (++refused < 3) throw new Error('the database is away')
        return world.repository.replace(...args)
      },
    },
  })
  await look(client)
  world.crm.oauth.expire(client.locationId)
  t.equal(await look(client), undefined)
  t.equal(refused, 3)
  t.equal(refreshes(world).length, 1)
})

t.test('GHL does not answer a refresh: tried again, and nobody is paused', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  await world.connect(client)
  const { look } = world.instance()
  await look(client)
  world.crm.oauth.expire(client.locationId)
  world.crm.fault({ match: { path: '/oauth/token' }, times: 1, kind: { type: 'status', status: 503 } })
  const error = await failure(look(client))
  t.match(error, { held: 'busy', retryable: true })
  t.equal(error.toAppError().code, 'CRM_UNAVAILABLE')
  t.equal(await look(client), undefined)
  t.strictSame(await world.repository.reasonsOf([client.clientId]), new Map())
})

t.test('a consent that is withdrawn pauses that client, until there is a new one', async (t) => {
  const world = await startWorld(t)
  const [client, other] = [await world.addClient(), await world.addClient()]
  await world.connect(client)
  await world.connect(other)
  const [one, two] = [world.instance(), world.instance()]
  await one.look(client)
  await two.look(client)
  world.crm.oauth.withdraw(client.locationId)
  await Promise.allSettled(Array.from({ length: 10 }, () => one.look(client)))
  const error = await failure(one.look(client))
  t.match(error, { held: 'paused', outcome: 'none', retryable: true })
  t.equal(error.toAppError().code, 'CRM_REFUSED')
  const logged = one.logs.filter(({ message }) => message === 'a client is paused for CRM work')
  t.strictSame(
    logged.map(({ facts }) => facts.client),
    [client.clientId],
    'said once',
  )
  t.match((await world.repository.reasonsOf([client.clientId])).get(client.clientId), {
    reason: /consent was withdrawn/,
  })
  two.tokens.changed(client.clientId)
  const sent = world.crm.exchanges.length
  t.match(await failure(two.look(client, { priority: 'background' })), {
    held: 'paused',
    retryAfterSeconds: Number,
  })
  t.equal(world.crm.exchanges.length, sent, 'nothing is sent on other instances either')
  t.equal(await one.look(other), undefined, 'another client')
  t.ok(one.states().every((state) => state === 'closed'))

  await world.connect(client)
  for (const { tokens } of [one, two]) tokens.changed(client.clientId)
  t.equal(await one.look(client), undefined)
  t.equal(await two.look(client), undefined)
})

t.test('tokens that are refused although they are new: one repetition, and a pause', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  await world.connect(client)
  const { look } = world.instance()
  const body = { statusCode: 401, message: 'Invalid JWT' }
  const match = { path: '/contacts/search/duplicate' }
  const mend = world.crm.fault({ match, kind: { type: 'status', status: 401, body } })
  t.equal((await failure(look(client))).status, 401)
  t.equal(lookups(world).length, 2)
  t.equal(refreshes(world).length, 1)
  t.match(await failure(look(client)), { held: 'paused' })
  mend()
  await world.sql`update clients set client_name = 'Mended' where id = ${client.clientId}`
  t.strictSame(
    await world.repository.reasonsOf([client.clientId]),
    new Map(),
    'an operator changed the client',
  )
})

t.test('a private integration token that is refused', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  const wrong = { ...client, token: 'pit-revoked' }
  const { look, tokens, logs } = world.instance()
  t.equal((await failure(look(wrong))).status, 401)
  const sent = world.crm.exchanges.length
  const errors = await Promise.all(Array.from({ length: 5 }, () => failure(look(wrong))))
  t.ok(errors.every((error) => error instanceof NotSent && error.held === 'paused'))
  t.equal(world.crm.exchanges.length, sent, 'it is not shown again and again')
  t.equal(await look(client), undefined, 'another token is tried at once')

  await world.sql.forClient(client.clientId)`update crm_pauses set retry_at = now()`
  tokens.changed(client.clientId)
  t.equal((await failure(look(wrong))).status, 401, 'after some minutes it is tried again')
  t.match(await failure(look(wrong)), { held: 'paused' })
  t.equal(logs.filter(({ message }) => message.includes('is paused')).length, 1, 'which is no news')
})

t.test('a pause ends with the first request that is taken', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  const { look, tokens } = world.instance()
  world.crm.fault({ times: 1, kind: { type: 'status', status: 401 } })
  t.equal((await failure(look(client))).status, 401)
  t.match(await failure(look(client)), { held: 'paused' })
  await world.sql.forClient(client.clientId)`update crm_pauses set retry_at = now()`
  tokens.changed(client.clientId)
  t.equal(await look(client), undefined)
  t.strictSame(await world.repository.reasonsOf([client.clientId]), new Map())
})

t.test('401 for what a token may not do pauses nobody', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  const { look } = world.instance()
  const body = { statusCode: 401, message: 'The token is not authorized for this scope.' }
  world.crm.fault({ times: 1, kind: { type: 'status', status: 401, body } })
  t.equal((await failure(look(client))).status, 401)
  t.equal(await look(client), undefined)
})

t.test("a location's tokens from its agency's", async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  const companyId = 'TestAgency0000000001'
  await world.connect(client, { companyId, locationIds: [client.locationId] })
  const { look } = world.instance()
  t.equal(await look(client), undefined)
  world.crm.oauth.expire(client.locationId)
  t.equal(await look(client), undefined)
  t.equal(world.requests('/oauth/locationToken').length, 2)

  // The agency's own refresh is spent although the second step fails.
  world.crm.oauth.expire(client.locationId)
  world.crm.fault({ match: { path: '/oauth/locationToken' }, times: 1, kind: { type: 'drop-before' } })
  t.match(await failure(look(client)), { held: 'busy' })
  t.equal(await look(client), undefined)
  t.equal(world.requests('/oauth/reconnect').length, 0)
})

t.test('without the database the static token is used, and nobody waits for long', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  const never = new Promise<never>(() => {})
  const { look } = world.instance({ repository: { of: () => never } })
  const begun = performance.now()
  for (let round = 0; round < 5; round += 1) t.equal(await look(client), undefined)
  t.ok(performance.now() - begun < 4_000, 'waited once, for a second')
})
