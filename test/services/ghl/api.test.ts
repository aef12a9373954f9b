import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { type CrmSandbox, type LocationSeed, startCrmSandbox } from '../../../sandbox/crm/server.ts'
import { createGhlApi } from '../../../services/ghl/api.ts'
import type { Governor } from '../../../services/ghl/governor.ts'
import { UpstreamError } from '../../../services/upstream.ts'
import { NOW } from '../../helper.ts'

const LOCATION: LocationSeed = {
  id: 'LocationNumberOne001',
  token: 'pit-one',
  timezone: 'America/Vancouver',
  calendars: [
    {
      id: 'CalendarNumberOne001',
      slotMinutes: 30,
      openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '17:00' }],
      teamUserIds: ['user-1'],
    },
  ],
}

/** Straight to GHL: how requests are governed has tests of its own. */
const straight: Governor = { send: (_door, { token }, _operation, work) => work(token) }

async function start(t: Test, attemptDeadlineMs = 2_000) {
  const crm = await startCrmSandbox({ now: () => NOW, locations: [LOCATION] })
  const dispatcher = new Agent()
  t.teardown(async () => {
    await dispatcher.destroy()
    await crm.close()
  })
  const api = createGhlApi({ baseUrl: crm.url, dispatcher, attemptDeadlineMs, governor: straight })
  const account = (signal = new AbortController().signal) =>
    api.forClient({
      clientId: 'one',
      token: LOCATION.token,
      locationId: LOCATION.id,
      calendarId: 'CalendarNumberOne001',
      signal,
    })
  return { crm, api, account }
}

const seen = (crm: CrmSandbox, method: string) =>
  crm.exchanges.filter(({ request }) => request.method === method).length
const upstream = (sending: Promise<unknown>) =>
  sending.then(
    () => undefined,
    (error) => (error instanceof UpstreamError ? error : undefined),
  )

t.test('each request carries the version that its part of the API is documented for', async (t) => {
  const { crm, account } = await start(t)
  const ghl = account()
  await ghl.contacts.findOrCreate({ phone: '+12505550188', email: 'ann@example.com', name: 'Ann Lee' })
  await ghl.calendars.facts()
  const day = Temporal.PlainDate.from('2026-08-21')
  await ghl.calendars.freeSlots(day, day, 'America/Vancouver')
  await ghl.calendars.events(NOW, NOW.add({ hours: 1 }))
  for (const { request, response } of crm.exchanges) {
    t.equal(request.headers.version, request.path.startsWith('/contacts') ? '2021-07-28' : '2021-04-15')
    t.equal(request.headers.authorization, 'Bearer pit-one')
    t.equal(response?.status, 200)
  }
  const [phone] = crm.exchanges.filter(({ request }) => request.query.number)
  t.equal(phone?.request.query.number, '+12505550188', 'the plus sign is encoded')
})

t.test('reading is repeated once, writing is not', async (t) => {
  const { crm, account } = await start(t)
  const ghl = account()
  crm.fault({ kind: { type: 'status', status: 502 } })
  t.equal((await upstream(ghl.contacts.byPhone('+12505550188')))?.status, 502)
  t.equal(seen(crm, 'GET'), 2)
  t.equal((await upstream(ghl.contacts.addNote('someContact', 'T', 'B')))?.status, 502)
  t.equal(seen(crm, 'POST'), 1)
  t.equal((await upstream(ghl.contacts.upsert({ phone: '+12505550188' })))?.status, 502)
  t.equal(seen(crm, 'POST'), 3, 'an upsert may be sent twice: it does the same again')
  crm.clearFaults()
  crm.fault({ kind: { type: 'status', status: 404 } })
  await upstream(ghl.contacts.byPhone('+12505550188'))
  t.equal(seen(crm, 'GET'), 3, 'a refusal is an answer')
})

t.test('garbage is no answer', async (t) => {
  const { crm, account } = await start(t)
  crm.fault({ times: 1, kind: { type: 'garbage' } })
  t.equal(await account().contacts.byPhone('+12505550188'), undefined, 'the second attempt answers')
  crm.fault({ kind: { type: 'garbage' } })
  const error = await upstream(account().contacts.byPhone('+12505550188'))
  t.match(error, { status: 200, outcome: 'unknown', retryable: true })
  t.match(await upstream(account().contacts.addNote('c', 'T', 'B')), { outcome: 'unknown' })
})

t.test('429: waited for if it is short, once', async (t) => {
  const { crm, account } = await start(t)
  crm.fault({ times: 1, kind: { type: 'rate-limit', retryAfterSeconds: 1 } })
  const begun = performance.now()
  t.equal(await account().contacts.byPhone('+12505550188'), undefined)
  t.ok(performance.now() - begun >= 990)
  crm.fault({ kind: { type: 'rate-limit', retryAfterSeconds: 3 } })
  t.match(await upstream(account().contacts.byPhone('+12505550188')), { status: 429, retryAfterSeconds: 3 })
  t.equal(seen(crm, 'GET'), 3)
  crm.clearFaults()
  crm.fault({ kind: { type: 'rate-limit', retryAfterSeconds: 2 } })
  const waiting = upstream(account(AbortSignal.timeout(50)).contacts.byPhone('+12505550188'))
  t.equal((await waiting)?.status, 429, 'nobody waits longer than whoever asked')
  t.equal(seen(crm, 'GET'), 4)
})

t.test('who does not wait any more sends nothing more', async (t) => {
  const { crm, account } = await start(t, 5_000)
  crm.fault({ kind: { type: 'hang' } })
  const error = await upstream(account(AbortSignal.timeout(60)).contacts.byPhone('+12505550188'))
  t.match(error, { status: undefined, outcome: 'unknown' })
  t.equal(seen(crm, 'GET'), 1)
})

t.test('an attempt has a deadline', async (t) => {
  const { crm, account } = await start(t, 100)
  crm.fault({ times: 1, kind: { type: 'hang' } })
  t.equal(await account().contacts.byPhone('+12505550188'), undefined)
  t.equal(seen(crm, 'GET'), 2)
})

t.test('what is shared is shared within one client only', async (t) => {
  const { crm, api, account } = await start(t)
  const thief = api.forClient({
    clientId: 'other',
    token: 'pit-other',
    locationId: LOCATION.id,
    calendarId: 'CalendarNumberOne001',
    signal: new AbortController().signal,
  })
  await account().calendars.facts()
  await account().calendars.facts()
  t.equal(seen(crm, 'GET'), 1, 'a calendar is read once in a while')
  t.equal((await upstream(thief.calendars.facts()))?.status, 401)
  const [ours, theirs] = await Promise.all([
    account().contacts.findOrCreate({ phone: '+12505550188' }),
    upstream(thief.contacts.findOrCreate({ phone: '+12505550188' })),
  ])
  t.equal(ours.existed, false)
  t.equal(theirs?.status, 401)
})

t.test('the settings of a calendar', async (t) => {
  const { crm, api, account } = await start(t)
  t.strictSame(await account().calendars.facts(), { slotMinutes: 30, teamUserIds: ['user-1'] })
  const odd = [
    [{ calendar: { slotDuration: 2, slotDurationUnit: 'hours' } }, 120],
    [
      { calendar: { slotDuration: '45', slotDurationUnit: 'mins', teamMembers: [null, {}, { userId: 7 }] } },
      45,
    ],
    [{ calendar: {} }, undefined],
    [{ calendar: { slotDuration: -5 } }, undefined],
    [{}, undefined],
  ] as const
  for (const [index, [body, slotMinutes]] of odd.entries()) {
    crm.fault({ times: 1, kind: { type: 'status', status: 200, body } })
    const other = api.forClient({
      clientId: 'one',
      token: LOCATION.token,
      locationId: LOCATION.id,
      calendarId: `c${index}`,
      signal: new AbortController().signal,
    })
    t.strictSame(await other.calendars.facts(), { slotMinutes, teamUserIds: [] })
  }
})

t.test('free slots: what is not one is passed over', async (t) => {
  const { crm, account } = await start(t)
  const body = {
    '2026-08-22': { slots: ['2026-08-22T09:00:00-07:00', 'soon', 7, null] },
    '2026-08-21': { slots: ['2026-08-21T09:00:00-07:00'] },
    '2026-08-23': { slots: null },
    _dates_: null,
    traceId: 't',
  }
  crm.fault({ times: 1, kind: { type: 'status', status: 200, body } })
  const day = Temporal.PlainDate.from('2026-08-21')
  const slots = await account().calendars.freeSlots(day, day.add({ days: 2 }), 'America/Vancouver')
  t.strictSame(
    slots.map(({ start }) => start),
    ['2026-08-21T09:00:00-07:00', '2026-08-22T09:00:00-07:00'],
  )
})
