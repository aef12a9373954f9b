import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { startVapiApi } from '../../../sandbox/vapi-api.ts'
import { createAssistantBuilder } from '../../../services/assistant/builder.ts'
import { toClient } from '../../../services/clients/client.ts'
import { UpstreamError } from '../../../services/upstream.ts'
import { createVapiApi } from '../../../services/vapi/api.ts'
import { ConnectRefused, createNumbers } from '../../../services/vapi/numbers.ts'
import { keepForContract } from '../../contract.ts'

const ID = '8bac8f61-ca90-4b1c-a480-5872e906b63a'
const NUMBER = '+17785550100'
const SERVER = {
  url: 'https://agent.example.com/vapi/webhooks',
  timeoutSeconds: 20,
  credentialId: 'cred-1',
  backoffPlan: { type: 'exponential', maxRetries: 10, baseDelaySeconds: 1 },
}

const clientOf = (settings: object = { transfer_number: '+12505550111' }, name = 'Riverside Plumbing') =>
  toClient({
    id: '0d6c1c5e-6f0a-4c43-9f0e-3f6d0b0c7a11',
    client_name: name,
    twilio_number: NUMBER,
    ghl_token: 'pit-secret',
    location_id: 'L',
    calendar_id: null,
    timezone: 'America/Vancouver',
    settings,
    status: 'active',
  })

interface Given {
  publicUrl?: string
  credentialId?: string | undefined
  apiKey?: string | undefined
}

async function bench(t: Test, given: Given = {}) {
  const defaults = { publicUrl: 'https://agent.example.com', credentialId: 'cred-1', apiKey: 'k' }
  const { publicUrl, credentialId, apiKey } = { ...defaults, ...given }
  const sandbox = await startVapiApi({ key: 'k' })
  const dispatcher = new Agent()
  t.teardown(async () => {
    await dispatcher.close()
    for (const { request } of sandbox.exchanges) keepForContract({ kind: 'vapi-api', request })
    await sandbox.close()
  })
  const vapi = createVapiApi({ baseUrl: sandbox.url, apiKey, dispatcher })
  const { server } = createAssistantBuilder({ publicUrl, credentialId, toolsOf: [] })
  const audited: object[] = []
  const numbers = createNumbers({ vapi, server, audit: async (entry) => void audited.push(entry) })
  const plan = (given: { client?: ReturnType<typeof clientOf>; fallback?: string; twilio?: object } = {}) =>
    numbers.plan(
      {
        client: given.client ?? clientOf(),
        fallback: given.fallback,
        twilio: { accountSid: undefined, authToken: undefined, ...given.twilio },
      },
      new AbortController().signal,
    )
  const changing = () => sandbox.exchanges.filter(({ request }) => request.method !== 'GET')
  return { sandbox, vapi, numbers, plan, audited, changing }
}

t.test('a number is connected once, and what was right stays', async (t) => {
  const { sandbox, plan, audited, changing } = await bench(t)
  sandbox.addNumber({
    id: ID,
    provider: 'twilio',
    number: NUMBER,
    name: 'old',
    assistantId: 'static',
    server: { url: 'https://elsewhere.example.com/hook?secret=1', headers: { 'x-secret': 'hush' } },
  })
  const first = await plan()
  t.equal(first.plan.action, 'change')
  t.strictSame(changing(), [], 'nothing is changed by looking')
  t.strictSame(
    first.plan.changes.map(({ field }) => field).sort(),
    [
      ...['assistantId', 'fallbackDestination', 'name'],
      ...['backoffPlan', 'credentialId', 'headers', 'timeoutSeconds', 'url'].map((name) => `server.${name}`),
    ].sort(),
  )
  t.notMatch(JSON.stringify(first.plan), /hush/, 'headers are named, not shown')
  t.strictSame(first.plan.warnings, [])
  await first.apply('ann')
  const [number] = sandbox.numbers
  t.match(number, {
    name: 'Riverside Plumbing',
    server: SERVER,
    fallbackDestination: { type: 'number', number: '+12505550111' },
  })
  t.equal((number?.server as { headers?: object } | undefined)?.headers, undefined)
  t.notOk(number && 'assistantId' in number)
  t.match(audited, [{ operator: 'ann', operation: 'clients.connect', details: { action: 'change' } }])

  const second = await plan()
  t.match(second.plan, { action: 'nothing', changes: [] })
  await second.apply('ann')
  t.equal(changing().length, 1)
  t.equal(audited.length, 1)
})

t.test(
  'fields VAPI adds by itself, and a plan somebody made for the fallback, are no difference',
  async (t) => {
    const { sandbox, plan } = await bench(t)
    sandbox.addNumber({
      id: ID,
      provider: 'vapi',
      number: NUMBER,
      name: 'Riverside Plumbing',
      server: { ...SERVER, staticIpAddressesEnabled: true, headers: {}, encryptedPaths: [] },
      fallbackDestination: {
        type: 'number',
        number: '+12505550111',
        message: 'One moment',
        transferPlan: {},
      },
      squadId: null,
    })
    t.match((await plan()).plan, { action: 'nothing', changes: [] })
    t.match((await plan({ fallback: '250 555 0122' })).plan.changes, [
      { field: 'fallbackDestination', from: '+12505550111', to: '+12505550122' },
    ])
  },
)

t.test('where we name no credential, what the number sends already stays', async (t) => {
  const { sandbox, plan } = await bench(t, { credentialId: undefined })
  const kept = { headers: { 'x-vapi-secret': 'hush' }, staticIpAddressesEnabled: true }
  sandbox.addNumber({
    id: ID,
    provider: 'vapi',
    number: NUMBER,
    server: { url: 'https://old.example.com', ...kept, encryptedPaths: ['x'] },
  })
  const { plan: shown, apply } = await plan()
  t.strictSame(shown.warnings, [])
  t.notMatch(JSON.stringify(shown), /hush/)
  await apply('ann')
  const { credentialId: _, ...ours } = SERVER
  t.strictSame(sandbox.numbers[0]?.server, { ...kept, ...ours })
})

t.test('a number VAPI does not have is imported from Twilio, with all of its routing at once', async (t) => {
  const { sandbox, plan } = await bench(t)
  await t.rejects(plan(), { name: 'ConnectRefused', message: /--twilio-account-sid/ })
  const long = clientOf({ transfer_number: '+12505550111' }, 'A'.repeat(60))
  const { plan: shown, apply } = await plan({
    client: long,
    twilio: { accountSid: 'AC1', authToken: 'hush' },
  })
  t.equal(shown.action, 'import')
  t.notMatch(JSON.stringify(shown), /hush/)
  await apply('ann')
  t.match(sandbox.numbers, [{ number: NUMBER, name: 'A'.repeat(40), server: SERVER, smsEnabled: false }])
  t.match((await plan({ client: long })).plan, { action: 'nothing' })
})

t.test('what cannot work is refused before anything is asked, or said', async (t) => {
  for (const publicUrl of ['http://localhost:3000', 'http://agent.example.com', 'https://127.0.0.1']) {
    const { plan, sandbox } = await bench(t, { publicUrl })
    await t.rejects(plan(), { name: 'ConnectRefused', message: /PUBLIC_URL/ }, publicUrl)
    t.strictSame(sandbox.exchanges, [])
  }
  const keyless = await bench(t, { apiKey: undefined })
  await t.rejects(keyless.plan(), { name: 'ConnectRefused', message: /VAPI_API_KEY/ })

  const { sandbox, plan } = await bench(t, { credentialId: undefined })
  sandbox.addNumber({
    id: ID,
    provider: 'vapi',
    number: NUMBER,
    status: 'blocked',
    hooks: [{ on: 'call.ringing', do: [] }],
  })
  const { warnings } = (await plan({ client: clientOf({}) })).plan
  t.match(warnings, [/VAPI_CREDENTIAL_ID/, /hooks/, /blocked/, /no fallback destination/])
  await t.rejects(plan({ fallback: NUMBER }), ConnectRefused, 'its calls would come back')
  await t.rejects(plan({ fallback: 'nobody' }), ConnectRefused)
  t.match((await plan({ client: clientOf({ transfer_number: NUMBER }) })).plan.warnings.join(), /no fallback/)
})

t.test('numbers are found beyond the first page, however long a page is', async (t) => {
  const { sandbox, numbers } = await bench(t)
  for (let n = 0; n < 1_050; n += 1)
    sandbox.addNumber({
      id: `n${n}`,
      provider: 'vapi',
      ...(n % 3 > 0 && { number: `+1778${String(5_550_000 + n)}` }),
      createdAt: `2026-08-20T00:${String(Math.floor(n / 60)).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}Z`,
    })
  const found = await numbers.find('+17785551049', new AbortController().signal)
  t.equal(found?.id, 'n1049')
  t.equal(sandbox.exchanges.length, 2)
  t.equal(await numbers.find('+17785559999', new AbortController().signal), undefined)
})

t.test('failures of VAPI are told as what they are', async (t) => {
  const { sandbox, vapi, plan } = await bench(t)
  const { signal } = new AbortController()
  sandbox.addNumber({ id: ID, provider: 'vapi', number: NUMBER })
  const { apply } = await plan()
  sandbox.fault({ match: { method: 'PATCH' }, kind: { type: 'drop-after-commit' }, times: 1 })
  await t.rejects(apply('ann'), { name: 'UpstreamError', outcome: 'unknown' })
  t.match((await plan()).plan, { action: 'nothing' }, 'it had been done')
  for (const kind of [
    { type: 'garbage' },
    { type: 'status', status: 302, headers: { location: '/' } },
  ] as const) {
    const remove = sandbox.fault({ kind })
    await t.rejects(vapi.numbers(signal), UpstreamError)
    await t.rejects(
      vapi.calls(
        { updatedFrom: Temporal.Now.instant(), updatedBefore: Temporal.Now.instant(), limit: 1 },
        signal,
      ),
      UpstreamError,
    )
    remove()
  }
})

t.test('a call is deleted once; one that is gone is no failure', async (t) => {
  const { sandbox, vapi } = await bench(t)
  const { signal } = new AbortController()
  sandbox.addCall({ id: ID })
  sandbox.addCall({ id: 'other' })
  sandbox.fault({ kind: { type: 'status', status: 503 }, times: 1 })
  await t.rejects(
    vapi.deleteCall(ID, signal),
    new UpstreamError('DELETE /call/:id', 'status 503', { status: 503, outcome: 'unknown' }),
  )
  await vapi.deleteCall(ID, signal)
  t.strictSame(
    sandbox.calls.map(({ id }) => id),
    ['other'],
  )
  await t.resolves(vapi.deleteCall(ID, signal))
})
