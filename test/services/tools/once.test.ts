import { randomUUID } from 'node:crypto'
import t from 'tap'
import {
  asOwner,
  build,
  createTestDatabase,
  eventually,
  type Harness,
  type TestClient,
} from '../../helper.ts'
import { startProxy } from '../../proxy.ts'
import { CALLER, requestsTo, sourceOf, use, useAll, written } from './kit.ts'

const BOOK = 'book_appointment'
const WISH = { start_time: '2026-08-21T10:30', name: 'Ann Lee' }
const EVENTS = '/calendars/events/appointments'

const bookings = (h: Harness) => requestsTo(h).filter((request) => request === `POST ${EVENTS}`).length

t.test('the same toolCallId 20 times at once over two instances: one appointment, one answer', async (t) => {
  const h = await build(t)
  const other = await build(t, { env: { GHL_BASE_URL: h.crm.url } })
  const client = await h.addClient()
  const same = { callId: randomUUID(), id: 'call_same' }
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, index) => use(index % 2 ? h : other, client, BOOK, WISH, same)),
  )
  t.match(results[0]?.result, /^Booked: Friday, August 21 at 10:30 AM/)
  for (const result of results) t.strictSame(result, results[0])
  t.equal(written(h, 'appointment.created').length, 1)
  t.equal(written(h, 'contact.created').length, 1)
  t.equal(bookings(h), 1)

  const later = await use(other, client, BOOK, WISH, same)
  t.strictSame(later, results[0], 'and a repetition afterwards gets it too')
  t.equal(bookings(h), 1)
  const events = await asOwner(h.app)`select event_key from call_events where vapi_call_id = ${same.callId}`
  t.strictSame([...events], [{ event_key: 'tool-calls:call_same' }])
})

t.test('a refusal is given again, too', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const same = { callId: randomUUID(), id: 'call_refused' }
  const first = await use(h, client, BOOK, { ...WISH, start_time: '2026-08-21T06:00' }, same)
  t.match(first.error, /That time has passed/)
  const before = h.crm.exchanges.length
  t.strictSame(await use(h, client, BOOK, WISH, same), first, 'whatever the repetition holds')
  t.equal(h.crm.exchanges.length, before, 'nobody is asked again')
})

t.test('the same toolCallId twice in one message', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const twice = { name: BOOK, args: WISH, id: 'call_twice' }
  const other = { name: 'check_availability', id: 'call_other' }
  const results = await useAll(h, client, [twice, other, twice])
  t.equal(results.length, 2)
  t.match(results, [
    { toolCallId: 'call_twice', result: /^Booked/ },
    { toolCallId: 'call_other', result: /^Free/ },
  ])
  t.equal(written(h, 'appointment.created').length, 1)
})

t.test('an id is one of its call and its client', async (t) => {
  const h = await build(t)
  const [one, two] = [await h.addClient(), await h.addClient()]
  const callId = randomUUID()
  const id = 'call_1'
  t.match(await use(h, one, BOOK, WISH, { callId, id }), { result: /^Booked/ })
  t.match(await use(h, two, BOOK, WISH, { callId: randomUUID(), id }), { result: /^Booked/ })
  t.match(await use(h, one, BOOK, { start_time: '2026-08-21T11:00' }, { callId: randomUUID(), id }), {
    result: /^Booked/,
  })
  t.equal(written(h, 'appointment.created', one.locationId).length, 2)
  t.equal(written(h, 'appointment.created', two.locationId).length, 1)
})

const claim = (h: Harness, client: TestClient, call: { callId: string; id: string }, until: string) =>
  asOwner(h.app)`
  insert into tool_runs (client_id, vapi_call_id, tool_call_id, owner, claimed_until)
  values (${client.id}, ${call.callId}, ${call.id}, ${randomUUID()}, now() + ${until}::interval)`

t.test('the claim of an owner who died is taken over when its time has passed, not before', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const same = { callId: randomUUID(), id: 'call_orphan' }
  await claim(h, client, same, '700 milliseconds')
  const begun = performance.now()
  t.match(await use(h, client, BOOK, WISH, same), { result: /^Booked/ })
  t.ok(performance.now() - begun >= 650, 'it waited for the owner')
  t.equal(written(h, 'appointment.created').length, 1)
})

t.test('the claim of an owner who had booked before he died: already booked', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  await use(h, client, BOOK, WISH)
  const same = { callId: randomUUID(), id: 'call_dead' }
  await claim(h, client, same, '-1 second')
  t.match(await use(h, client, BOOK, WISH, same), { result: /^Already booked/ })
  t.equal(written(h, 'appointment.created').length, 1)
})

t.test('an owner who does not come to an end in time', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const same = { callId: randomUUID(), id: 'call_slow' }
  await claim(h, client, same, '1 minute')
  const begun = performance.now()
  const { error } = await use(h, client, BOOK, WISH, same)
  const ms = performance.now() - begun
  t.match(error, /not certain whether the appointment was booked/)
  t.ok(ms < 10_000, `answered after ${ms} ms`)
  t.equal(bookings(h), 0)
  const events = await asOwner(h.app)`select from call_events where vapi_call_id = ${same.callId}`
  t.equal(events.length, 0, "the place of the owner's own answer stays free")
})

t.test('a failure that may pass is no answer for good', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const same = { callId: randomUUID(), id: 'call_again' }
  const remove = h.crm.fault({ match: { path: '/calendars/*' }, kind: { type: 'status', status: 503 } })
  const first = await use(h, client, BOOK, WISH, same)
  t.match(first.error, /not answering right now/)
  remove()
  t.strictSame(await use(h, client, BOOK, WISH, same), first, 'a repetition at the same time gets the same')
  await asOwner(h.app)`update tool_runs set claimed_until = now() where vapi_call_id = ${same.callId}`
  t.match(await use(h, client, BOOK, WISH, same), { result: /^Booked/ })
  const rows = await asOwner(h.app)<{ event_key: string; done: boolean }[]>`
    select event_key, payload ? 'output' as done from call_events where vapi_call_id = ${same.callId} order by 1`
  t.strictSame(
    [...rows],
    [
      { event_key: 'tool-calls:call_again', done: true },
      { event_key: 'tool-calls:call_again:failed', done: false },
    ],
  )
})

t.test('tools that only read are not claimed', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const callId = randomUUID()
  await use(h, client, 'check_availability', {}, { callId, id: 'call_read' })
  t.equal((await asOwner(h.app)`select from tool_runs where vapi_call_id = ${callId}`).length, 0)
})

t.test('old claims and holds go', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  await claim(h, client, { callId: 'old', id: 'old' }, '-25 hours')
  await asOwner(h.app)`
    insert into slot_holds (client_id, calendar_id, start_at, contact_id, owner, expires_at)
    values (${client.id}, 'c', now(), 'k', ${randomUUID()}, now() - interval '2 minutes')`
  await use(h, client, BOOK, WISH)
  t.equal((await asOwner(h.app)`select from tool_runs where vapi_call_id = 'old'`).length, 0)
  t.equal(
    (await asOwner(h.app)`select from slot_holds where client_id = ${client.id} and calendar_id = 'c'`)
      .length,
    0,
  )
})

t.test('one slot, 50 callers at once, 20 rounds: always exactly one appointment', async (t) => {
  const h = await build(t)
  const other = await build(t, { env: { GHL_BASE_URL: h.crm.url } })
  const client = await h.addClient()
  for (let round = 0; round < 20; round++) {
    const hour = String(9 + (round % 8)).padStart(2, '0')
    const start_time = `2026-08-${24 + Math.floor(round / 8)}T${hour}:00`
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        use(index % 2 ? h : other, client, BOOK, { start_time }, { caller: `+1250555${1000 + index}` }),
      ),
    )
    const booked = results.filter(({ result }) => result?.startsWith('Booked: '))
    const others = results.filter(({ error }) =>
      /^That time (was just taken|is not free)\. Free: /.test(error ?? ''),
    )
    if (booked.length !== 1 || others.length !== 49) t.fail(`round ${round}: ${JSON.stringify(results)}`)
    t.equal(written(h, 'appointment.created').length, round + 1)
    const offered = sayHour(start_time)
    t.notOk(
      others.some(({ error }) => error?.includes(`${offered},`)),
      'the taken time is not offered',
    )
  }
  t.equal(new Set(h.crm.location(client.locationId).appointments.map(({ startTime }) => startTime)).size, 20)
})

/** `Monday, August 24 at 9:00 AM` as the first of a day's offers. */
function sayHour(text: string): string {
  const at = Temporal.PlainDateTime.from(text)
  const day = at.toLocaleString('en-US', { weekday: 'long', month: 'long', day: 'numeric' })
  return `${day} at ${at.toLocaleString('en-US', { hour: 'numeric', minute: '2-digit' })}`
}

t.test(
  'a slot that somebody else is booking at this moment is taken; a hold that expired is none',
  async (t) => {
    const h = await build(t)
    const client = await h.addClient()
    const { calendar_id } = (
      await asOwner(h.app)<{ calendar_id: string }[]>`select calendar_id from clients where id = ${client.id}`
    )[0] ?? { calendar_id: '' }
    const at = '2026-08-21T17:30:00Z'
    await asOwner(h.app)`
    insert into slot_holds (client_id, calendar_id, start_at, contact_id, owner, expires_at)
    values (${client.id}, ${calendar_id}, ${at}, 'somebody', ${randomUUID()}, now() + interval '1 minute')`
    const refused = await use(h, client, BOOK, WISH)
    t.match(
      refused.error,
      /^That time was just taken\. Free: Friday, August 21 at 9:00 AM, 9:30 AM, 10:00 AM, 11:00 AM/,
    )
    t.equal(bookings(h), 0, 'the calendar was not even asked')
    await asOwner(h.app)`update slot_holds set expires_at = now() where client_id = ${client.id}`
    t.match(await use(h, client, BOOK, WISH), { result: /^Booked/ })
  },
)

t.test('a hold is of one client: the same calendar and slot of another are free', async (t) => {
  const h = await build(t)
  const [one, two] = [await h.addClient(), await h.addClient()]
  for (const client of [one, two]) t.match(await use(h, client, BOOK, WISH), { result: /^Booked/ })
  const rows = await asOwner(
    h.app,
  )`select client_id, appointment_id is not null as stands from slot_holds where client_id in (${one.id}, ${two.id})`
  t.equal(rows.length, 2)
  t.ok(rows.every(({ stands }) => stands))
})

for (const trouble of ['refuse', 'freeze'] as const) {
  t.test(`with a database that is away (${trouble}) the booking still works, once`, async (t) => {
    const direct = await createTestDatabase()
    const proxy = await startProxy(direct)
    t.teardown(() => proxy.close())
    const h = await build(t, { databaseUrl: proxy.url })
    const client = await h.addClient()
    const known = async () => sourceOf(await h.app.clients.byNumber(client.number)) === 'cache'
    await eventually(known, 'the client to be known')
    proxy[trouble]()
    const same = { callId: randomUUID(), id: 'call_away', caller: CALLER }
    const begun = performance.now()
    const results = await Promise.all([1, 2, 3].map(() => use(h, client, BOOK, WISH, same)))
    const ms = performance.now() - begun
    for (const result of results) t.match(result, { result: /^Booked: Friday/ })
    t.ok(ms < 10_000, `answered after ${ms} ms`)
    t.equal(written(h, 'appointment.created').length, 1)
    t.match(await use(h, client, BOOK, WISH), { result: /^Already booked/ }, 'GHL knows it')
    t.match(await use(h, client, BOOK, WISH, { caller: '+12505550199' }), {
      error: /^That time is not free\. Free: /,
    })
    t.equal(written(h, 'appointment.created').length, 1)
    proxy.accept()
    proxy.thaw()
    await eventually(async () => (await h.app.inject('/ready')).statusCode === 200, 'the database to be back')
  })
}
