import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { ADMIN_TOKEN, asOwner, build, eventually, type TestClient } from '../helper.ts'
import { use } from '../services/tools/kit.ts'

const APP = { clientId: 'test-app', clientSecret: 'test-app-secret' }
const admin = { authorization: `Bearer ${ADMIN_TOKEN}` }

async function start(t: Test) {
  const harness = await build(t, {
    env: { GHL_CLIENT_ID: APP.clientId, GHL_CLIENT_SECRET: APP.clientSecret },
    crm: { app: APP },
  })
  const { app } = harness
  return {
    ...harness,
    async link({ id }: Pick<TestClient, 'id'>) {
      const url = `/admin/ghl/oauth/start?client_id=${id}`
      const answer = await app.inject({ url, headers: admin })
      return { status: answer.statusCode, url: URL.parse(String(answer.json().url)) }
    },
    callback: (query: Record<string, string>) => app.inject({ url: '/ghl/oauth/callback', query }),
  }
}

t.test('without an app neither route exists', async (t) => {
  const { app, addClient } = await build(t)
  const { id } = await addClient()
  t.equal((await app.inject('/ghl/oauth/callback?code=a&state=b')).statusCode, 404)
  const url = `/admin/ghl/oauth/start?client_id=${id}`
  t.equal((await app.inject({ url, headers: admin })).statusCode, 404)
})

t.test("a client's account is connected, and used from the next request on", async (t) => {
  const harness = await start(t)
  const { app, crm, logs, link, callback } = harness
  const client = await harness.addClient()
  t.match(await use(harness, client, 'check_availability', { date: '2026-08-21' }), { result: String })
  const { url } = await link(client)
  t.match(Object.fromEntries(url?.searchParams ?? []), {
    response_type: 'code',
    client_id: APP.clientId,
    redirect_uri: 'https://agent.example.com/ghl/oauth/callback',
    scope: /contacts\.write.*calendars\/events\.write/,
  })
  const state = url?.searchParams.get('state') ?? ''
  const code = crm.oauth.consent({ locationId: client.locationId })
  const answer = await callback({ code, state })
  t.equal(answer.statusCode, 200)
  t.strictSame(answer.json(), { status: 'connected', location_id: client.locationId })
  t.equal(answer.headers['cache-control'], 'no-store')
  t.equal(answer.headers['referrer-policy'], 'no-referrer')

  await eventually(async () => {
    await use(harness, client, 'check_availability', { date: '2026-08-21' })
    return String(crm.exchanges.at(-1)?.request.headers.authorization).startsWith('Bearer access-')
  }, 'the new token to be used')
  const rows = await asOwner(app)`select * from ghl_oauth_tokens`
  const stored = JSON.stringify(rows)
  const text = JSON.stringify(logs)
  const [exchange] = crm.exchanges.filter(({ request }) => request.path === '/oauth/token')
  const { access_token, refresh_token } = (exchange?.response?.body ?? {}) as Record<string, string>
  for (const secret of [access_token, refresh_token, APP.clientSecret, code]) {
    if (!secret) return t.fail('nothing to look for')
    t.notOk(stored.includes(secret), 'nothing is stored as it is')
    t.notOk(text.includes(secret), 'nor logged')
    t.notOk(answer.body.includes(secret), 'nor shown')
  }
  t.equal((await callback({ code, state })).statusCode, 502, 'a code is good once')
})

t.test('what does not fit is refused, and nothing is stored', async (t) => {
  const { app, crm, link, callback, addClient } = await start(t)
  const [client, other] = [await addClient(), await addClient()]
  const state = (await link(client)).url?.searchParams.get('state') ?? ''
  const consent = (locationId: string) => crm.oauth.consent({ locationId })
  const [head, body, mac] = state.split('.')
  const forged = [head, Buffer.from(JSON.stringify({ sub: other.id })).toString('base64url'), mac].join('.')
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`
  const guessed = createHash('sha256').update(client.id).digest('hex')
  for (const wrong of ['x', forged, unsigned, guessed, `${state}x`]) {
    const answer = await callback({ code: consent(client.locationId), state: wrong })
    t.equal(answer.statusCode, 400)
    t.match(answer.json(), { code: 'CONSENT_INVALID', errors: [{ field: 'state' }] })
  }
  t.equal(crm.exchanges.length, 0, 'GHL was not asked')

  const elsewhere = await callback({ code: consent(other.locationId), state })
  t.equal(elsewhere.statusCode, 400)
  t.match(elsewhere.json(), { code: 'CONSENT_INVALID', errors: [{ field: 'location_id' }] })
  t.equal((await callback({ code: 'made-up', state })).statusCode, 502)
  t.equal((await callback({ code: 'a' })).statusCode, 400)
  t.equal((await asOwner(app)`select 1 from ghl_oauth_tokens where client_id = ${client.id}`).length, 0)

  const nobody = '00000000-0000-4000-8000-000000000000'
  t.equal((await link({ id: nobody })).status, 404)
  t.equal((await link({ id: 'x' })).status, 400)
})

t.test('a client without a location gets the one whose account it is', async (t) => {
  const { app, crm, link, callback, addClient } = await start(t)
  const client = await addClient({ location_id: '', ghl_token: '' })
  const state = (await link(client)).url?.searchParams.get('state') ?? ''
  const agency = crm.oauth.consent({ companyId: 'TestAgency0000000001', locationIds: [client.locationId] })
  t.match((await callback({ code: agency, state })).json(), { errors: [{ field: 'location_id' }] })
  const code = crm.oauth.consent({ locationId: client.locationId })
  t.equal((await callback({ code, state })).statusCode, 200)
  const [row] = await app.sql`select location_id from clients where id = ${client.id}`
  t.equal(row?.location_id, client.locationId)
})

t.test('an agency consents for a location of its own', async (t) => {
  const harness = await start(t)
  const { crm, link, callback } = harness
  const client = await harness.addClient({ ghl_token: '' })
  const state = (await link(client)).url?.searchParams.get('state') ?? ''
  const companyId = 'TestAgency0000000001'
  const foreign = crm.oauth.consent({ companyId, locationIds: [] })
  t.equal((await callback({ code: foreign, state })).statusCode, 502)
  const code = crm.oauth.consent({ companyId, locationIds: [client.locationId] })
  t.equal((await callback({ code, state })).statusCode, 200)
  await eventually(async () => {
    const { result } = await use(harness, client, 'check_availability', { date: '2026-08-21' })
    return result
  }, 'the tools to work')
})

t.test("a dead token: the caller is told at once, and another's call notices nothing", async (t) => {
  const harness = await start(t)
  const { crm, app } = harness
  const [dead, alive] = [await harness.addClient({ ghl_token: 'pit-revoked' }), await harness.addClient()]
  const check = (client: TestClient) => use(harness, client, 'check_availability', { date: '2026-08-21' })
  t.match(await check(dead), { error: /could not do that/ })
  const sent = crm.exchanges.length
  t.match(await check(dead), { error: /could not do that/ })
  t.equal(crm.exchanges.length, sent, 'without asking the CRM again')
  t.match(await check(alive), { result: String })
  const paused = await app.ghl.pauses.reasonsOf([dead.id, alive.id])
  t.strictSame([...paused.keys()], [dead.id])
  const show = async () =>
    (await app.inject({ url: `/admin/clients/${dead.id}`, headers: admin })).json().problems
  t.match(await show(), [/paused for CRM work since .*GHL refuses the token/])
  const url = `/admin/clients/${dead.id}`
  const payload = { ghl_token: alive.token, location_id: alive.locationId }
  t.equal((await app.inject({ method: 'PATCH', url, headers: admin, payload })).statusCode, 200)
  t.strictSame(await show(), [], 'a change by an operator ends it')
  t.match(await app.metrics.registry.getSingleMetricAsString('upstream_held_total'), /reason="paused"/)
})
