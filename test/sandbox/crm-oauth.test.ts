import t, { type Test } from 'tap'
import { startCrmSandbox } from '../../sandbox/crm/server.ts'
import { NOW } from '../helper.ts'

const APP = { clientId: 'app', clientSecret: 'secret' }
const LOCATION = 'SandboxLocation00001'

async function start(t: Test) {
  const locations = [{ id: LOCATION, token: 'pit-one', timezone: 'UTC' }]
  const crm = await startCrmSandbox({ now: () => NOW, app: APP, locations })
  t.teardown(() => crm.close())
  const post = async (path: string, body: RequestInit['body'], headers: Record<string, string> = {}) => {
    const answer = await fetch(`${crm.url}${path}`, { method: 'POST', body: body ?? null, headers })
    return { status: answer.status, body: (await answer.json()) as Record<string, string> }
  }
  const form = (values: Record<string, string>) => new URLSearchParams(values)
  const own = { client_id: APP.clientId, client_secret: APP.clientSecret }
  return {
    crm,
    post,
    form,
    own,
    token: (values: Record<string, string>) => post('/oauth/token', form({ ...own, ...values })),
    async contact(token = '') {
      const headers = { authorization: `Bearer ${token}`, version: '2021-07-28' }
      return (await fetch(`${crm.url}/locations/${LOCATION}`, { headers })).status
    },
  }
}

t.test('a code is good once, and each refresh spends the token it is made with', async (t) => {
  const { crm, token, contact } = await start(t)
  const code = crm.oauth.consent({ locationId: LOCATION })
  const first = await token({ grant_type: 'authorization_code', code, user_type: 'Location' })
  t.match(first, { status: 200, body: { userType: 'Location', locationId: LOCATION, expires_in: 86_399 } })
  t.equal(await contact(first.body.access_token), 200)
  t.match(await token({ grant_type: 'authorization_code', code }), {
    status: 400,
    body: { error: 'invalid_grant' },
  })
  const { refresh_token = '' } = first.body
  const refresh = { grant_type: 'refresh_token', refresh_token, user_type: 'Location' }
  const second = await token(refresh)
  t.equal(await contact(second.body.access_token), 200)
  t.not(second.body.refresh_token, refresh_token)
  t.match(await token(refresh), { status: 400, body: { error: 'invalid_grant' } })
  crm.oauth.expire(LOCATION)
  t.equal(await contact(second.body.access_token), 401)
  t.equal(await contact('pit-one'), 200, 'a static token does not end')
})

t.test('who is no app, or sends what is not a form of it', async (t) => {
  const { crm, post, form, own, token } = await start(t)
  const grant = { grant_type: 'authorization_code', code: crm.oauth.consent({ locationId: LOCATION }) }
  const wrong = form({ ...own, ...grant, client_secret: 'wrong' })
  t.equal((await post('/oauth/token', wrong)).status, 401)
  t.equal((await token({ ...grant, locationId: LOCATION })).status, 422, 'a property that should not exist')
  t.equal((await token({ grant_type: 'password' })).status, 422)
})

t.test("an agency's token is for its locations' tokens", async (t) => {
  const { crm, post, form, token, contact } = await start(t)
  const companyId = 'SandboxCompany000001'
  const code = crm.oauth.consent({ companyId, locationIds: [LOCATION] })
  const agency = await token({ grant_type: 'authorization_code', code })
  t.match(agency.body, { userType: 'Company', companyId })
  t.equal(await contact(agency.body.access_token), 401)
  const headers = { authorization: `Bearer ${agency.body.access_token}`, version: '2021-07-28' }
  const ask = (values: Record<string, string>, more = headers) =>
    post('/oauth/locationToken', form({ companyId, locationId: LOCATION, ...values }), more)
  const own = await ask({})
  t.equal(own.body.refresh_token, undefined)
  t.equal(await contact(own.body.access_token), 200)
  t.equal((await ask({ locationId: 'AnotherLocation00001' })).status, 400)
  t.equal((await ask({}, { ...headers, version: '2021-04-15' })).status, 401)
})

t.test('an app that is installed can be reconnected, one that was removed cannot', async (t) => {
  const { crm, post, token } = await start(t)
  const json = { 'content-type': 'application/json' }
  const body = JSON.stringify({
    clientKey: APP.clientId,
    clientSecret: APP.clientSecret,
    locationId: LOCATION,
  })
  t.equal((await post('/oauth/reconnect', body, json)).status, 400)
  const first = await token({
    grant_type: 'authorization_code',
    code: crm.oauth.consent({ locationId: LOCATION }),
  })
  const again = await post('/oauth/reconnect', body, json)
  const code = again.body.authorizationCode ?? ''
  t.equal((await token({ grant_type: 'authorization_code', code })).status, 200)
  crm.oauth.withdraw(LOCATION)
  t.equal((await post('/oauth/reconnect', body, json)).status, 400)
  const { refresh_token = '' } = first.body
  t.equal((await token({ grant_type: 'refresh_token', refresh_token })).status, 400)
})
