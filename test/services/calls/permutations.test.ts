import assert from 'node:assert/strict'
import fc from 'fast-check'
import postgres from 'postgres'
import t from 'tap'
import type { SandboxContact } from '../../../sandbox/crm/server.ts'
import { build, createTestDatabase, eventually, type TestClient } from '../../helper.ts'
import { fullReport, messagesOf, newCall, type TestCall } from './messages.ts'

/**
 * The whole way, where life.test.ts looks at the row alone: HTTP, two instances, the queue and the CRM. A call
 * that is told in any order, with repetitions and gaps, ends as the same call told in order.
 */

const databaseUrl = await createTestDatabase()
const one = await build(t, { databaseUrl })
const two = await build(t, { databaseUrl, env: { GHL_BASE_URL: one.crm.url } })
const instances = [one, two] as const
/** As the owner of the tables, who sees every row. */
const sql = postgres(databaseUrl, { max: 2, onnotice: () => {} })
t.teardown(() => sql.end())

const tool = (call: TestCall, seconds: number, id: string, name: string, args: object) =>
  messagesOf(call).message('tool-calls', seconds, {
    toolCallList: [{ id: `${call.id}-${id}`, type: 'function', function: { name, arguments: args } }],
  })

/** What VAPI tells of one call, in the order in which it happens. */
const EVENTS = {
  queued: (call) => messagesOf(call).status('queued', -100),
  ringing: (call) => messagesOf(call).status('ringing', -95),
  'in-progress': (call) => messagesOf(call).status('in-progress', -90),
  'the contact is looked for': (call) => tool(call, -80, 'contact', 'find_or_create_contact', {}),
  'a visit is booked': (call) =>
    tool(call, -60, 'visit', 'book_appointment', { start_time: '2026-08-24T10:00', title: 'Leaking tap' }),
  'a message is taken': (call) =>
    tool(call, -40, 'message', 'take_message', { message: 'Please bring a new tap.' }),
  forwarding: (call) => messagesOf(call).status('forwarding', -20),
  'a transfer': (call) => messagesOf(call).transfer('+17785550100', -19),
  'hung up': (call) => messagesOf(call).hang(-5),
  ended: (call) => messagesOf(call).status('ended', -2, { endedReason: 'customer-ended-call' }),
  'a report that says little': (call) => messagesOf(call).report(-1),
  'a report': (call) => messagesOf(call).report(0, fullReport()),
  'a fuller report': (call) =>
    messagesOf(call).report(
      5,
      fullReport({
        analysis: { summary: 'Booked a visit, and asks for a new tap.', structuredData: { urgent: true } },
      }),
    ),
} satisfies Record<string, (call: TestCall) => object>
type EventName = keyof typeof EVENTS
const NAMES = Object.keys(EVENTS) as EventName[]

interface Delivery {
  name: EventName
  /** Which instance gets it. */
  to: 0 | 1
}

/** Tells a call of a new business and answers what is left of it when all work is done. */
async function play(deliveries: readonly Delivery[], atOnce = false) {
  const client = await one.addClient()
  const call = newCall(client.number)
  // What could not be taken comes again, as VAPI does it.
  const deliver = ({ name, to }: Delivery) =>
    eventually(async () => (await instances[to].webhook(EVENTS[name](call))).statusCode === 200, name, 60)
  if (atOnce) await Promise.all(deliveries.map(deliver))
  else for (const delivery of deliveries) await deliver(delivery)
  await eventually(async () => (await openWork(client)) === 0, 'all work on the call', 60)
  return { row: await rowOf(call, client), crm: crmOf(call, client) }
}

/** What is queued for a client, but the look at a call long after its end. One statement: work moves on between two. */
async function openWork({ id }: TestClient): Promise<number> {
  const soon = sql`now() + interval '5 minutes'`
  const [row] = await sql<[{ open: number }]>`
    select (select count(*) from pgboss.job where name = 'crm-sync' and data ->> 'clientId' = ${id}
        and state in ('created', 'retry', 'active') and start_after < ${soon})::int
      + (select count(*) from outbox where client_id = ${id} and due_at < ${soon})::int as open`
  return row.open
}

/** All that is stored of a call, but ids and the times of bookkeeping. */
async function rowOf(call: TestCall, client: TestClient) {
  const [row = {}] = await sql`select * from voice_sessions where vapi_call_id = ${call.id}`
  const { id: _, created_at: __, updated_at: ___, reported_at, ghl_contact_id, ...columns } = row
  const events = await sql`
    select event_key, type from call_events where vapi_call_id = ${call.id} order by event_key`
  // A tool alone makes a session whose start nobody has told: it is the database's own time.
  if (columns.context?.provisional) columns.started_at = 'not told'
  const row2 = { ...columns, reported: reported_at !== null, contact: ghl_contact_id !== null, events }
  return plain(row2, call, client)
}

/** What the people of the business see, but ids and the times of writing. */
function crmOf(call: TestCall, client: TestClient) {
  const { contacts, appointments } = one.crm.location(client.locationId)
  const seen = {
    contacts: contacts.map(({ phone, firstName, lastName, notes, tasks }: SandboxContact) => ({
      ...{ phone, firstName, lastName },
      notes: notes.map(({ title, body }) => ({ title, body })),
      tasks: tasks.map(({ title, body }) => ({ title, body })),
    })),
    appointments: appointments.map(({ title, startTime, appointmentStatus }) => ({
      ...{ title, startTime, appointmentStatus },
    })),
  }
  return plain(seen, call, client)
}

/** Without what differs from one call to the next. */
function plain(value: object, call: TestCall, client: TestClient): unknown {
  const text = JSON.stringify(value)
    .replaceAll(call.id, 'CALL')
    .replaceAll(client.number, 'NUMBER')
    .replaceAll(client.id, 'CLIENT')
    .replaceAll(/https?:\/\/[^\s"\\]*\/recordings\/[^\s"\\]*/g, 'LINK')
  return JSON.parse(text)
}

const inOrder = (names: readonly EventName[]): Delivery[] =>
  NAMES.filter((name) => names.includes(name)).map((name) => ({ name, to: 0 }))

t.test(
  'told in any order, more than once and with gaps, to two instances: the same row and CRM',
  async (t) => {
    const delivery = (names: readonly EventName[]) =>
      fc.record({ name: fc.constantFrom(...names), to: fc.constantFrom(0 as const, 1 as const) })
    const story = fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 3 }).chain((names) =>
      fc.record({
        names: fc.constant(names),
        repeated: fc.array(delivery(names), { maxLength: 6 }),
        order: fc.array(fc.nat(), { minLength: names.length + 6, maxLength: names.length + 6 }),
        to: fc.array(fc.constantFrom(0 as const, 1 as const), {
          minLength: names.length,
          maxLength: names.length,
        }),
        atOnce: fc.boolean(),
      }),
    )
    let runs = 0
    await fc.assert(
      fc.asyncProperty(story, async ({ names, repeated, order, to, atOnce }) => {
        runs += 1
        const firsts = names.map((name, index) => ({ name, to: to[index] ?? 0 }))
        const told = [...firsts, ...repeated]
          .map((delivery, index) => ({ delivery, place: order[index] ?? 0 }))
          .sort((a, b) => a.place - b.place)
          .map((item) => item.delivery)
        const [expected, actual] = await Promise.all([play(inOrder(names)), play(told, atOnce)])
        assert.deepStrictEqual(actual, expected)
      }),
      // A few of many: each waits for the queue and the CRM, twice.
      { numRuns: 25, interruptAfterTimeLimit: 25_000, endOnFailure: true },
    )
    t.ok(runs > 0, `${runs} stories`)
  },
)

t.test('and all of it three times over, at once', async (t) => {
  const expected = await play(inOrder(NAMES))
  const all = NAMES.flatMap((name): Delivery[] => [
    { name, to: 0 },
    { name, to: 1 },
    { name, to: 1 },
  ])
  t.strictSame(await play(all, true), expected)
})
