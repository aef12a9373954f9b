import t from 'tap'
import { asOwner, build, NOW } from '../../helper.ts'
import { fullReport, messagesOf, newCall } from './messages.ts'

const queue = 'crm-sync'
const later = NOW.add({ seconds: 30 })

t.test('what each message says is in the row', async (t) => {
  const { app, addClient, webhook } = await build(t)
  const client = await addClient()
  const call = newCall(client.number)
  const { status, report } = messagesOf(call)
  const row = async () =>
    (
      await asOwner(
        app,
      )`select client_id, caller, called_number, status, started_at, ended_at, ended_reason, duration_seconds,
      cost, transcript, summary, recording_url, context from voice_sessions where vapi_call_id = ${call.id}`
    )[0]

  await webhook(status('ringing', -95))
  t.match(await row(), {
    client_id: client.id,
    caller: call.caller,
    called_number: client.number,
    status: 'ringing',
    started_at: new Date(NOW.subtract({ seconds: 95 }).epochMilliseconds),
    ended_at: null,
  })
  await webhook(status('in-progress', -90))
  await webhook(status('ended', -1, { endedReason: 'customer-ended-call' }))
  t.match(await row(), { status: 'ended', ended_reason: 'customer-ended-call', transcript: null })
  t.strictSame((await row())?.ended_at, new Date(NOW.subtract({ seconds: 1 }).epochMilliseconds))

  await webhook(status('in-progress', 5))
  await webhook(status('ringing', 6))
  t.match(await row(), { status: 'ended' }, 'what comes late does not reopen it')
  t.strictSame((await row())?.ended_at, new Date(NOW.subtract({ seconds: 1 }).epochMilliseconds))

  await webhook(report(7, { cost: 0.05 }))
  t.match(await row(), { cost: '0.050000', summary: null, transcript: null, recording_url: null })
  await webhook(report(8, fullReport()))
  t.match(await row(), {
    status: 'ended',
    duration_seconds: 88,
    cost: '0.081200',
    summary: 'Booked a visit.',
    transcript: 'AI: Hello.\nUser: Hi.',
    recording_url: /x\.wav/,
    started_at: new Date(NOW.subtract({ seconds: 90 }).epochMilliseconds),
    ended_at: new Date(NOW.subtract({ seconds: 2 }).epochMilliseconds),
    context: { structuredData: { reason: 'Leaking tap' } },
  })
  await webhook(report(9))
  t.match(await row(), { summary: 'Booked a visit.', duration_seconds: 88 }, 'a thin one takes nothing away')
})

t.test('transfers and a hang are on the session', async (t) => {
  const { app, addClient, webhook } = await build(t)
  const call = newCall((await addClient()).number)
  const { transfer, hang, status } = messagesOf(call)
  await webhook(transfer('+17785550100', -20))
  await webhook(transfer(undefined, -19))
  await webhook(status('forwarding', -18))
  await webhook(hang(-5))
  const [row] = await asOwner(app)`select context, status from voice_sessions where vapi_call_id = ${call.id}`
  t.strictSame(row, {
    context: { transferred: true, transfer: '+17785550100', hang: true },
    status: 'forwarding',
  })
})

t.test('odd reports and times are taken as far as they go', async (t) => {
  const { app, addClient, webhook } = await build(t)
  const client = await addClient()
  const cases: [string, object, object][] = [
    ['no times at all', {}, { status: 'ended', duration_seconds: null }],
    [
      'an end before the start',
      { startedAt: later.toString(), endedAt: NOW.toString() },
      { duration_seconds: 0 },
    ],
    ['times that are none', { startedAt: 'soon', endedAt: {} }, { status: 'ended' }],
    ['years no call is in', { startedAt: '+020000-01-01T00:00:00Z', endedAt: 9e15 }, { status: 'ended' }],
    ['a cost beyond measure', { cost: 1e12 }, { cost: null }],
    [
      'parts of the wrong kind',
      { artifact: [], analysis: 'none', cost: '7' },
      { status: 'ended', cost: null },
    ],
    ['a reason without end', { endedReason: 'x'.repeat(5_000) }, { ended_reason: /^x+$/ }],
    [
      'text PostgreSQL refuses',
      { analysis: { summary: 'a\u0000b\ud800' }, artifact: { transcript: '\u0000' } },
      { summary: 'ab\ufffd', transcript: null },
    ],
  ]
  for (const [what, fields, expected] of cases) {
    const call = newCall(client.number)
    t.equal((await webhook(messagesOf(call).report(undefined, { ...fields }))).statusCode, 200, what)
    const [row] = await asOwner(app)`select * from voice_sessions where vapi_call_id = ${call.id}`
    t.match(row, { ended_at: Date, ...expected }, what)
  }
  const call = newCall(client.number)
  const odd = messagesOf(call).message('status-update', undefined, { status: 'in-progress', timestamp: 4e15 })
  t.equal((await webhook(odd)).statusCode, 200)
  const [row] = await asOwner(app)`select started_at from voice_sessions where vapi_call_id = ${call.id}`
  t.strictSame(
    row,
    { started_at: new Date(NOW.epochMilliseconds) },
    'a time from the future is that of its coming',
  )
  t.equal(
    (await webhook(messagesOf(call).status('y'.repeat(4_000)))).statusCode,
    200,
    'a status as long as a key',
  )
})

t.test('fifty identical reports at once are one session and one event', async (t) => {
  const { app, addClient, webhook } = await build(t)
  const call = newCall((await addClient()).number)
  const body = messagesOf(call).report(0, fullReport())
  const answers = await Promise.all(Array.from({ length: 50 }, () => webhook(body)))
  t.strictSame(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  t.equal((await asOwner(app)`select from voice_sessions where vapi_call_id = ${call.id}`).length, 1)
  t.equal((await asOwner(app)`select from call_events where vapi_call_id = ${call.id}`).length, 1)
})

t.test('deliveries of the same tool calls in different orders do not lock each other out', async (t) => {
  const { app, addClient } = await build(t)
  const client = await addClient()
  for (let round = 0; round < 20; round++) {
    const call = {
      clientId: client.id,
      callId: newCall(client.number).id,
      caller: undefined,
      calledNumber: undefined,
    }
    const events = Array.from({ length: 20 }, (_, n) => ({ toolCallId: `tool-${n}`, payload: {} }))
    await Promise.all([
      app.services.calls.recordTools(call, events, { queue }),
      app.services.calls.recordTools(call, events.toReversed(), { queue }),
    ])
    t.equal((await asOwner(app)`select from call_events where vapi_call_id = ${call.callId}`).length, 20)
  }
})

t.test('a session stays with its client, whatever a later message says', async (t) => {
  const { app, addClient, webhook } = await build(t)
  const [mine, theirs] = [await addClient(), await addClient()]
  const call = newCall(mine.number)
  await webhook(messagesOf(call).status('in-progress', -90))
  t.equal(
    (await webhook(messagesOf({ ...call, called: theirs.number }).report(0, fullReport()))).statusCode,
    200,
  )
  const sessions = await asOwner(
    app,
  )`select client_id, summary from voice_sessions where vapi_call_id = ${call.id}`
  t.match(sessions, [{ client_id: mine.id, summary: 'Booked a visit.' }])
  const foreign = await asOwner(app)`
    select from call_events where vapi_call_id = ${call.id} and client_id <> ${mine.id}`
  t.equal(foreign.length, 0)
  const jobs = await asOwner(app)<{ data: { clientId: string } }[]>`
    select data from pgboss.job where data ->> 'sessionId' in
      (select id::text from voice_sessions where vapi_call_id = ${call.id})`
  t.strictSame(new Set(jobs.map(({ data }) => data.clientId)), new Set([mine.id]))
  const identity = { clientId: theirs.id, callId: call.id, caller: call.caller, calledNumber: theirs.number }
  const event = { toolCallId: 'tool-1', payload: { name: 'find_or_create_contact' } }
  await app.services.calls.recordTools(identity, [event], { contactId: 'contact of another', queue })
  const [session] = await asOwner(app)`
    select client_id, ghl_contact_id from voice_sessions where vapi_call_id = ${call.id}`
  t.equal(session?.client_id, mine.id)
  t.not(session?.ghl_contact_id, 'contact of another')
})

t.test(
  '200 means committed: if the job cannot be queued nothing is stored and VAPI is told to come again',
  async (t) => {
    const { app, addClient, webhook } = await build(t)
    const client = await addClient()
    await asOwner(app).unsafe(`
    create function refuse_jobs() returns trigger language plpgsql as $$ begin raise exception 'no room' using errcode = '53100'; end $$`)
    await asOwner(app).unsafe(
      'create trigger refuse_jobs before insert on outbox for each row execute function refuse_jobs()',
    )
    const call = newCall(client.number)
    const refused = await webhook(messagesOf(call).report(0, fullReport()))
    t.equal(refused.statusCode, 503)
    t.ok(refused.headers['retry-after'])
    t.equal((await asOwner(app)`select from voice_sessions where vapi_call_id = ${call.id}`).length, 0)
    t.equal((await asOwner(app)`select from call_events where vapi_call_id = ${call.id}`).length, 0)

    await asOwner(app)`drop trigger refuse_jobs on outbox`
    t.equal((await webhook(messagesOf(call).report(0, fullReport()))).statusCode, 200)
    t.equal((await asOwner(app)`select from voice_sessions where vapi_call_id = ${call.id}`).length, 1)
  },
)
