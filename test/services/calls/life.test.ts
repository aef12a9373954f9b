import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { createRecorder } from '../../../services/calls/recorder.ts'
import { createCallRepository } from '../../../services/calls/repository.ts'
import { createClientRepository } from '../../../services/clients/repository.ts'
import { createDatabase } from '../../../services/database/pool.ts'
import { readMessage } from '../../../services/vapi/messages.ts'
import { createTestDatabase } from '../../helper.ts'
import { fullReport, messagesOf, newCall, type TestCall } from './messages.ts'

const NUMBER = '+17785550001'
const queue = 'crm-sync'
/** After the database's own time, which stands in for a start that nobody has told and must give way to any that is. */
const TOMORROW = Temporal.Now.instant().add({ hours: 24 })
const sql = createDatabase({ url: await createTestDatabase(), deadlineMs: 10_000 })
t.teardown(() => sql.end())
const calls = createCallRepository({ sql })
const clientId = await createClientRepository({ sql }).put({
  client_name: 'Riverside Plumbing',
  twilio_number: NUMBER,
  ghl_token: 'pit',
  location_id: 'loc',
})
const recorder = createRecorder({ calls, clock: () => TOMORROW, wake: () => {} })

/** What may happen in a call. Each is told to the server in the way the server is told of it. */
const EVENTS = {
  queued: (call) => tell(messagesOf(call, TOMORROW).status('queued', -100)),
  ringing: (call) => tell(messagesOf(call, TOMORROW).status('ringing', -95)),
  'in-progress': (call) => tell(messagesOf(call, TOMORROW).status('in-progress', -90)),
  'in-progress, late and without a time': (call) => tell(messagesOf(call, TOMORROW).status('in-progress')),
  forwarding: (call) => tell(messagesOf(call, TOMORROW).status('forwarding', -20)),
  ended: (call) =>
    tell(messagesOf(call, TOMORROW).status('ended', -2, { endedReason: 'customer-ended-call' })),
  'ended, told otherwise': (call) =>
    tell(messagesOf(call, TOMORROW).status('ended', -3, { endedReason: 'silence-timed-out' })),
  'a status that is new to us': (call) => tell(messagesOf(call, TOMORROW).status('deletion-failed', -1)),
  'without the caller': (call) =>
    tell(messagesOf({ ...call, caller: undefined }, TOMORROW).status('ringing', -94)),
  'a transfer': (call) => tell(messagesOf(call, TOMORROW).transfer('+17785550100', -21)),
  'another transfer': (call) => tell(messagesOf(call, TOMORROW).transfer('+17785550101', -15)),
  'a transfer to somewhere': (call) => tell(messagesOf(call, TOMORROW).transfer(undefined, -14)),
  'hung up': (call) => tell(messagesOf(call, TOMORROW).hang(-5)),
  'a report that says little': (call) => tell(messagesOf(call, TOMORROW).report(-1)),
  'a report without a time': (call) =>
    tell(messagesOf(call, TOMORROW).report(undefined, { analysis: { summary: 'Short.' } })),
  'a full report': (call) => tell(messagesOf(call, TOMORROW).report(0, fullReport())),
  'a fuller report': (call) =>
    tell(
      messagesOf(call, TOMORROW).report(5, {
        ...fullReport({ cost: 0.09, endedReason: 'assistant-forwarded-call' }),
        startedAt: '2026-08-21T14:58:29.123456Z',
        endedAt: '2026-08-21T14:59:58.654321Z',
        analysis: { summary: 'Booked a visit for Friday.', structuredData: { reason: 'Tap', urgent: true } },
        artifact: {
          transcript: 'AI: Good morning.\nUser: Hi, I need help.',
          recordingUrl: 'https://x/y.wav?s=2',
        },
      }),
    ),
  'a tool that found the contact': async (call) => {
    const identity = { clientId, callId: call.id, caller: call.caller, calledNumber: call.called }
    const payload = { name: 'find_or_create_contact', output: { contactId: 'contact' } }
    await calls.recordTools(identity, [{ toolCallId: 'tool-1', payload }], { contactId: 'contact', queue })
  },
  'a tool that failed': (call) =>
    calls.recordTools(
      { clientId, callId: call.id, caller: undefined, calledNumber: undefined },
      [{ toolCallId: 'tool-2', payload: { name: 'book_appointment', error: 'SLOT_UNAVAILABLE' } }],
      { queue },
    ),
} satisfies Record<string, (call: TestCall) => Promise<void>>
type EventName = keyof typeof EVENTS
const NAMES = Object.keys(EVENTS) as EventName[]

function tell(body: unknown): Promise<void> {
  const message = readMessage(body)
  const { callId = '', caller, calledNumber } = message
  return recorder.record(message, { clientId, callId, caller, calledNumber })
}

/** All that is stored of a call, but ids and the times of bookkeeping. */
async function stored(call: TestCall) {
  const [session = {}] = await sql`
    select *, started_at::text as begun, ended_at::text as over from voice_sessions where vapi_call_id = ${call.id}`
  const { id, vapi_call_id, created_at, updated_at, reported_at, started_at, ended_at, ...columns } = session
  const events = await sql`
    select client_id, event_key, type, payload from call_events where vapi_call_id = ${call.id} order by event_key`
  // A tool alone makes a session whose start nobody has told: it is the database's own time.
  const begun = columns.context?.provisional ? 'not told' : columns.begun
  const reported = reported_at !== undefined && reported_at !== null
  return { ...columns, begun, reported, events: [...events] }
}

async function play(names: readonly EventName[]) {
  const call = newCall(NUMBER)
  for (const name of names) await EVENTS[name](call)
  return call
}

t.test('any subset of the events, in any order, any number of times, ends in the same row', async (t) => {
  const subset = fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1 })
  const deliveries = subset.chain((names) =>
    fc.tuple(
      fc.constant(names),
      fc
        .array(fc.constantFrom(...names), { maxLength: 8 })
        .chain((repeated) => shuffled([...names, ...repeated])),
    ),
  )
  let runs = 0
  await fc.assert(
    fc.asyncProperty(deliveries, async ([names, again]) => {
      runs += 1
      const expected = await stored(await play(names))
      assert.deepStrictEqual(await stored(await play(again)), expected)
    }),
    { numRuns: 150 },
  )
  t.ok(runs >= 150)
})

t.test('and so does all of it at once', async (t) => {
  const expected = await stored(await play(NAMES))
  for (let round = 0; round < 10; round++) {
    const call = newCall(NUMBER)
    await Promise.all([...NAMES, ...NAMES, ...NAMES].map((name) => EVENTS[name](call)))
    t.strictSame(await stored(call), expected)
  }
})

function shuffled<T>(items: readonly T[]) {
  return fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length })
}

t.test('what comes after the report makes work, whether it is a status, a tool or its contact', async (t) => {
  const call = newCall(NUMBER)
  const { status, report } = messagesOf(call, TOMORROW)
  const identity = { clientId, callId: call.id, caller: undefined, calledNumber: NUMBER }
  const event = { toolCallId: 'tool-1', payload: { name: 'take_message', output: {} } }
  await sql.forAllClients`delete from outbox`
  const made = async (work: Promise<void>) => {
    await work
    return (await sql.forAllClients`delete from outbox where due_at <= now() returning id`).length
  }
  t.equal(await made(calls.recordTools(identity, [event], { queue })), 0, 'a tool before anything else')
  t.equal(await made(tell(status('in-progress', -90))), 1, 'the first message')
  t.equal(await made(tell(status('forwarding', -80))), 0, 'a status before the report')
  const found = { contactId: 'contact', queue }
  t.equal(await made(calls.recordTools(identity, [event], found)), 0, 'a tool before the report')
  t.equal(await made(tell(report(0, fullReport()))), 1, 'the report')
  t.equal(await made(tell(status('queued', -100))), 1, 'a status after it')
  t.equal(await made(calls.recordTools(identity, [event], { queue })), 1, 'a tool after it')
  t.equal(await made(calls.recordTools(identity, [event], found)), 1, 'and one that found the contact')
})
