import t, { type Test } from 'tap'
import { ADMIN_TOKEN, build, type HarnessOptions, NOW } from '../../helper.ts'

const NUMBER_ID = '8bac8f61-ca90-4b1c-a480-5872e906b63a'
const SCOPE = { statusCode: 401, message: 'The token is not authorized for this scope.' }

interface Item {
  item: string
  status: string
  detail: string
  remedy: string | null
}

async function bench(t: Test, options: HarnessOptions = {}) {
  const harness = await build(t, { ...options, env: { VAPI_CREDENTIAL_ID: 'cred-1', ...options.env } })
  const check = async (id: string) => {
    const answer = await harness.app.inject({
      method: 'POST',
      url: `/admin/clients/${id}/check`,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    })
    const report = answer.json() as { ok: boolean; items: Item[] }
    const items = new Map((report.items ?? []).map((each) => [each.item, each]))
    const statusOf = (item: string) => items.get(item)?.status
    return { code: answer.statusCode, report, items, statusOf, text: answer.body }
  }
  /** A number at VAPI that asks this server. */
  const routed = (number: string, change: object = {}) =>
    harness.vapi.addNumber({
      id: NUMBER_ID,
      provider: 'vapi',
      number,
      server: {
        url: 'https://agent.example.com/vapi/webhooks',
        timeoutSeconds: 20,
        credentialId: 'cred-1',
        backoffPlan: { type: 'exponential', maxRetries: 10, baseDelaySeconds: 1 },
      },
      fallbackDestination: { type: 'number', number: '+12505550111' },
      ...change,
    })
  return { ...harness, check, routed }
}

const calendar = (id: string, change: object = {}) => ({
  id,
  slotMinutes: 30,
  openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '17:00' }],
  ...change,
})

t.test('a client that is set up: everything is fine, and nothing was changed', async (t) => {
  const { addClient, check, routed, crm, vapi } = await bench(t)
  const client = await addClient()
  routed(client.number)
  const { code, report, text } = await check(client.id)
  t.equal(code, 200)
  t.strictSame(
    report.items.map(({ item, status }) => `${item} ${status}`),
    [
      ...['status', 'settings', 'token', 'location', 'timezone', 'contacts', 'calendar', 'calendar-events'],
      ...['free-slots', 'conversations', 'vapi-number', 'vapi-routing', 'vapi-fallback', 'prompt'],
    ].map((item) => `${item} ok`),
    text,
  )
  t.ok(report.ok)
  t.notMatch(text, new RegExp(client.token))
  t.ok(crm.exchanges.every(({ request }) => request.method === 'GET'))
  t.ok(vapi.exchanges.every(({ request }) => request.method === 'GET'))
  t.equal(crm.location(client.locationId).contacts.length, 0)
})

t.test('a token GHL does not know: said once', async (t) => {
  const { addClient, check } = await bench(t)
  const client = await addClient({ ghl_token: 'pit-of-nobody' })
  const { statusOf, items, report, text } = await check(client.id)
  t.equal(statusOf('token'), 'failed')
  t.match(items.get('token')?.remedy, /new token/)
  for (const item of ['contacts', 'calendar', 'free-slots', 'conversations', 'timezone'])
    t.equal(statusOf(item), 'skipped', item)
  t.notOk(report.ok)
  t.notMatch(text, /pit-of-nobody/)
  t.equal((await check(client.id)).statusOf('token'), 'failed', 'and again, although work is paused')
})

t.test('a token that does not open is told as that', async (t) => {
  const { addClient, check, app } = await bench(t)
  const [client, other] = [await addClient(), await addClient()]
  await app.sql`
    update clients set ghl_token = (select ghl_token from clients where id = ${other.id}) where id = ${client.id}`
  const { items } = await check(client.id)
  t.match(items.get('token'), { status: 'failed', detail: /TAMPERED/, remedy: /ENCRYPTION_KEY/ })
})

t.test('each scope that is missing is named, and hides nothing else', async (t) => {
  const { addClient, check, crm } = await bench(t)
  const client = await addClient()
  const cases: [path: string, item: string, status: string, scope: RegExp][] = [
    ['/contacts/search/duplicate', 'contacts', 'failed', /contacts\.readonly and contacts\.write/],
    ['/calendars/events', 'calendar-events', 'failed', /calendars\/events\.write/],
    ['/calendars/*/free-slots', 'free-slots', 'failed', /calendars\.readonly/],
    ['/conversations/search', 'conversations', 'warning', /conversations\/message\.write/],
  ]
  for (const [path, item, status, scope] of cases) {
    const remove = crm.fault({ match: { path }, kind: { type: 'status', status: 401, body: SCOPE } })
    const { items, report } = await check(client.id)
    t.match(items.get(item), { status, remedy: scope }, item)
    t.equal(items.get('token')?.status, 'ok')
    const others = report.items.filter((each) => each.item !== item && !each.item.startsWith('vapi'))
    t.ok(
      others.every((each) => each.status === 'ok'),
      `only ${item}`,
    )
    remove()
  }
  crm.fault({ match: { path: '/locations/*' }, kind: { type: 'status', status: 401, body: SCOPE } })
  const { statusOf, items } = await check(client.id)
  t.equal(statusOf('location'), 'ok', 'contacts tell the same')
  t.match(items.get('timezone'), { status: 'skipped', detail: /locations\.readonly/ })
})

t.test('locations, calendars and zones that do not belong together', async (t) => {
  const { addClient, check, crm, routed } = await bench(t)
  const [a, b] = [
    await addClient(),
    await addClient(
      { calendar_id: 'CheckCalendar0000001' },
      { calendars: [calendar('CheckCalendar0000001')] },
    ),
  ]
  const foreign = await addClient({ location_id: b.locationId })
  t.match((await check(foreign.id)).items.get('location'), {
    status: 'failed',
    detail: /not for the location/,
  })
  const others = await addClient({ calendar_id: 'CheckCalendar0000001' })
  t.match((await check(others.id)).items.get('calendar'), { status: 'failed', detail: /another location/ })
  const nowhere = await addClient({ calendar_id: 'Nowhere' })
  const { items } = await check(nowhere.id)
  t.match(items.get('calendar'), { status: 'failed', detail: /no calendar Nowhere/ })
  t.equal(items.get('free-slots')?.status, 'skipped')
  const off = await addClient(
    { calendar_id: 'CheckCalendar0000002', timezone: 'America/Toronto' },
    {
      timezone: 'America/Vancouver',
      calendars: [calendar('CheckCalendar0000002', { active: false, openHours: [] })],
    },
  )
  const found = await check(off.id)
  t.match(found.items.get('calendar'), { status: 'failed', detail: /switched off/ })
  t.match(found.items.get('free-slots'), { status: 'warning', detail: /No free times in the next 14 days/ })
  t.match(found.items.get('timezone'), { status: 'warning', detail: /America\/Toronto.*America\/Vancouver/ })
  const alias = await addClient({ timezone: 'US/Pacific' }, { timezone: 'America/Los_Angeles' })
  t.equal((await check(alias.id)).statusOf('timezone'), 'ok', 'two names of one zone')
  const none = await addClient({ calendar_id: null })
  t.match((await check(none.id)).items.get('calendar'), { status: 'warning', detail: /books nothing/ })
  routed(none.number)
  t.ok((await check(none.id)).report.ok, 'a warning is no failure')
  t.ok((await check(a.id)).statusOf('calendar') === 'ok')
  t.ok(crm.exchanges.every(({ request }) => request.method === 'GET'))
})

t.test('settings, status and a prompt that is too long', async (t) => {
  const { addClient, check } = await bench(t)
  const client = await addClient({
    status: 'paused',
    settings: {
      business_details: 'word '.repeat(1_600),
      instructions: 'word '.repeat(1_600),
      colour: 'blue',
    },
  })
  const { items, statusOf } = await check(client.id)
  t.match(items.get('settings'), { status: 'warning', detail: /settings\.colour/ })
  t.match(items.get('prompt'), { status: 'warning', detail: /characters, about \d+ tokens/ })
  t.equal(statusOf('status'), 'warning')
  const bad = await addClient({ timezone: 'Mars/Olympus' }, { timezone: 'America/Vancouver' })
  const found = await check(bad.id)
  t.match(found.items.get('settings'), { status: 'failed', detail: /Mars\/Olympus/ })
  t.equal(found.statusOf('timezone'), 'failed')
})

t.test('a number that VAPI does not have, or that asks somebody else', async (t) => {
  const { addClient, check, routed, vapi } = await bench(t)
  const client = await addClient()
  t.match((await check(client.id)).items.get('vapi-number'), { status: 'failed', remedy: /connect/ })
  routed(client.number, {
    server: { url: 'https://elsewhere.example.com/hook?secret=hush' },
    assistantId: 'static',
    fallbackDestination: undefined,
  })
  const { items, text } = await check(client.id)
  t.match(items.get('vapi-routing'), {
    status: 'failed',
    detail: /https:\/\/elsewhere\.example\.com\/hook and not here; assistantId is set/,
  })
  t.notMatch(text, /hush/)
  t.match(items.get('vapi-fallback'), { status: 'warning', detail: /VAPI hangs up/ })

  for (const [kind, detail] of [
    [{ type: 'status', status: 401 } as const, /does not accept the key/],
    [{ type: 'status', status: 503 } as const, /did not answer/],
    [{ type: 'drop-before' } as const, /did not answer/],
  ] as const) {
    vapi.fault({ kind })
    t.match((await check(client.id)).items.get('vapi-number'), { status: 'failed', detail })
    vapi.clearFaults()
  }
  const looping = await addClient()
  vapi.addNumber({
    id: 'n2',
    provider: 'vapi',
    number: looping.number,
    fallbackDestination: { type: 'number', number: looping.number },
  })
  t.match((await check(looping.id)).items.get('vapi-fallback'), { status: 'failed', detail: /come back/ })
})

t.test('without a key to VAPI, and with an address nobody can reach', async (t) => {
  const keyless = await bench(t, { env: { VAPI_API_KEY: undefined } })
  const client = await keyless.addClient()
  t.match((await keyless.check(client.id)).items.get('vapi-number'), {
    status: 'skipped',
    remedy: /private key/,
  })
  const local = await bench(t, { env: { PUBLIC_URL: 'http://localhost:3000' } })
  const other = await local.addClient()
  local.routed(other.number)
  t.match((await local.check(other.id)).items.get('vapi-routing'), { status: 'failed', detail: /PUBLIC_URL/ })
})

t.test('a CRM that hangs is waited for ten seconds at most, and the rest is told', async (t) => {
  const { addClient, check, routed, crm } = await bench(t, { now: () => NOW })
  const client = await addClient()
  routed(client.number)
  crm.fault({ match: { path: '/calendars/*' }, kind: { type: 'hang' } })
  const { items, statusOf } = await check(client.id)
  t.match(items.get('calendar'), { status: 'failed', detail: /did not answer in time/ })
  t.equal(statusOf('token'), 'ok')
  t.equal(statusOf('contacts'), 'ok')
  t.equal(statusOf('vapi-routing'), 'ok')
})

t.test('who is not there', async (t) => {
  const { check } = await bench(t)
  for (const id of ['0d6c1c5e-6f0a-4c43-9f0e-3f6d0b0c7a11', 'nobody'])
    t.match(await check(id), { code: 404, report: { code: 'CLIENT_UNKNOWN' } })
})
