import t from 'tap'
import { asOwner, build, eventually, NOW } from '../../helper.ts'
import { messagesOf, newCall } from '../calls/messages.ts'
import { use } from '../tools/kit.ts'
import {
  asked,
  erase,
  finished,
  newCaller,
  notesAt,
  receiptOf,
  tablesWith,
  tellingReport,
  WORDS,
  wholeCall,
} from './kit.ts'

t.test('of an erased caller nothing is left, here, in the queue, in the CRM and at VAPI', async (t) => {
  const h = await build(t)
  const [client, other] = [await h.addClient(), await h.addClient()]
  const caller = newCaller()
  const stranger = newCaller()
  const calls = [await wholeCall(h, client, caller), await wholeCall(h, client, caller)]
  const kept = [await wholeCall(h, other, caller), await wholeCall(h, client, stranger)]
  t.strictSame([notesAt(h, client).length, notesAt(h, other).length, h.vapi.calls.length], [3, 1, 4])
  t.ok((await tablesWith(h, WORDS.name)).length > 0, 'there is something to find')

  const id = await erase(h, {
    client_id: client.id,
    phone_number: caller.replace('+1', '').replace(/^(...)/, '($1) '),
  })
  for (const { id: call } of calls)
    t.strictSame(await tablesWith(h, call), ['erasure_copies'], 'rows have gone at once')
  const receipt = await finished(h, id)
  t.match(receipt.rows, { voice_sessions: 2, crm_syncs: 2, call_events: 6, tool_runs: 2 })
  t.ok((receipt.rows.call_steps ?? 0) >= 4)
  t.match(receipt.copies, { crm: 2, vapi: 2 })
  t.strictSame(receipt.outstanding, [])
  t.notMatch(JSON.stringify(receipt), caller.slice(2))

  t.strictSame([notesAt(h, client).length, notesAt(h, other).length], [1, 1])
  t.strictSame(
    h.vapi.calls.map((call) => call.id),
    kept.map((call) => call.id),
  )
  for (const call of calls) t.strictSame(await tablesWith(h, call.id), [])
  const sql = asOwner(h.app)
  const left = await sql`select vapi_call_id from voice_sessions where caller in (${caller}, ${stranger})`
  t.strictSame(new Set(left.map((row) => row.vapi_call_id)), new Set(kept.map((call) => call.id)))
  const jobs = await sql`
    select name from pgboss.job where data ->> 'clientId' = ${client.id} and data ? 'sessionId'
      and data ->> 'sessionId' not in (select id::text from voice_sessions)`
  t.equal(jobs.length, 0, 'no job is about what is gone')

  await Promise.all([
    erase(h, { client_id: other.id, phone_number: caller }).then((each) => finished(h, each)),
    erase(h, { client_id: client.id, phone_number: stranger }).then((each) => finished(h, each)),
  ])
  for (const text of [caller, caller.slice(2), stranger, WORDS.name, WORDS.said, 'porcupine'])
    t.strictSame(await tablesWith(h, text), [], text)
  t.strictSame([...notesAt(h, client), ...notesAt(h, other)], [])

  const { body } = await asked(h)('GET', `/admin/audit?client=${client.id}`)
  t.match(body.entries, [
    { operator: 'tests', operation: 'erasures.request', details: { by: 'phone_number' } },
    { operator: 'tests', operation: 'erasures.request', details: { erasure: id } },
  ])
})

t.test('nothing that is told later brings a call back, and a new call is kept', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const caller = newCaller()
  const call = await wholeCall(h, client, caller)
  const id = await erase(h, { client_id: client.id, call_id: call.id })
  await finished(h, id)
  const tell = messagesOf(call)
  const late = [
    tell.status('in-progress', -90),
    tell.status('ended', 0),
    tell.transfer('+17785550100', -19),
    tell.hang(-5),
    tell.report(0, tellingReport()),
    tell.report(5, tellingReport()),
  ]
  for (const message of late) t.equal((await h.webhook(message)).statusCode, 200)
  const options = { callId: call.id, caller }
  await use(h, client, 'find_or_create_contact', {}, options)
  const answer = await use(h, client, 'take_message', { message: WORDS.said }, options)
  t.ok(answer.error, 'nothing is done in a call that was erased')
  await h.webhook(tell.message('assistant-request', undefined))
  await h.app.services.journal.flush()
  h.vapi.addCall({
    id: call.id,
    type: 'inboundPhoneCall',
    status: 'ended',
    customer: { number: caller },
    phoneNumber: { number: client.number },
    updatedAt: NOW.subtract({ minutes: 9 }).toString({ smallestUnit: 'millisecond' }),
    artifact: { transcript: WORDS.said },
  })
  await asOwner(h.app)`
    update reconciler set checked_until = ${NOW.subtract({ minutes: 30 }).toString()}, due_at = now(), leased_until = null`
  t.match(await h.app.reconciler.run(new AbortController().signal), { recovered: 0, failed: 0 })
  for (const text of [call.id, caller, WORDS.said]) t.strictSame(await tablesWith(h, text), [], text)

  const again = await wholeCall(h, client, caller)
  t.ok((await tablesWith(h, again.id)).includes('voice_sessions'), 'another call of the same person is kept')
  t.equal(notesAt(h, client).length, 1)
})

t.test('a call is named by its session too; what is not known, or not clear, is refused', async (t) => {
  const h = await build(t)
  const [client, other] = [await h.addClient(), await h.addClient()]
  const ask = asked(h)
  const call = await wholeCall(h, client, newCaller())
  const [session] = await asOwner(h.app)`select id from voice_sessions where vapi_call_id = ${call.id}`
  const post = (body: object) => ask('POST', '/admin/erasures', { client_id: client.id, ...body })
  t.match(await post({}), { status: 400, body: { errors: [{ field: 'phone_number' }] } })
  t.match(await post({ call_id: call.id, phone_number: call.caller }), { status: 400 })
  t.match(await post({ phone_number: 'nobody' }), {
    status: 400,
    body: { errors: [{ field: 'phone_number' }] },
  })
  t.match(await post({ call_id: call.id, because: 'x' }), { status: 400 })
  t.match(await post({ call_id: 'unknown' }), { status: 404, body: { code: 'CALL_UNKNOWN' } })
  t.match(await post({ client_id: other.id, call_id: call.id }), { status: 404 }, 'not by another client')
  t.match(await post({ client_id: call.id, call_id: call.id }), {
    status: 404,
    body: { code: 'CLIENT_UNKNOWN' },
  })
  t.match(await ask('GET', `/admin/erasures/${call.id}`), { status: 404, body: { code: 'ERASURE_UNKNOWN' } })
  const asks = await asOwner(h.app)`select from erasures where client_id = any(${[client.id, other.id]})`
  t.equal(asks.length, 0, 'nothing is left of what was refused')

  const nobody = await erase(h, { client_id: client.id, phone_number: newCaller() })
  t.match(await finished(h, nobody), { rows: {}, copies: {}, outstanding: [] }, 'a number that never called')
  await finished(h, await erase(h, { client_id: client.id, call_id: session?.id }))
  t.strictSame(await tablesWith(h, call.id), [])
})

t.test('copies that resist are tried again, and the others do not wait for them', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const caller = newCaller()
  const calls = [await wholeCall(h, client, caller), await wholeCall(h, client, caller)]
  // One note is gone already, and one call.
  const [contact] = h.crm.location(client.locationId).contacts
  contact?.notes.splice(0, 1)
  h.vapi.fault({ match: { method: 'DELETE' }, kind: { type: 'status', status: 500, body: {} } })
  const id = await erase(h, { client_id: client.id, phone_number: caller })
  const stuck = await eventually(
    async () => {
      const receipt = await receiptOf(h, id)
      return receipt.outstanding?.every(({ failure }) => failure) && receipt
    },
    'the first attempt',
    60,
  )
  t.match(stuck, {
    status: 'pending',
    done_at: null,
    outstanding: [{ system: 'vapi', count: 2, failure: /500/ }],
  })
  t.strictSame(notesAt(h, client), [])
  h.vapi.clearFaults()
  const receipt = await finished(h, id)
  t.match(receipt.copies, { crm: 1, vapi: 2 })
  t.strictSame(h.vapi.calls, [])
  for (const call of calls) t.strictSame(await tablesWith(h, call.id), [])
})

t.test(
  'without a key for VAPI the receipt says that its copy is there, and the work is found again',
  async (t) => {
    const h = await build(t, { env: { VAPI_API_KEY: undefined } })
    const client = await h.addClient()
    const call = newCall(client.number, newCaller())
    await h.webhook(messagesOf(call).status('in-progress', -90))
    const id = await erase(h, { client_id: client.id, call_id: call.id })
    const receipt = await eventually(
      async () => {
        const found = await receiptOf(h, id)
        return found.outstanding.some(({ failure }) => failure) && found
      },
      'the attempt',
      60,
    )
    t.match(receipt, {
      status: 'pending',
      outstanding: [{ system: 'vapi', count: 1, failure: 'VAPI_API_KEY is not set' }],
    })
    const dead = await eventually(
      async () => {
        const { body } = await asked(h)('GET', `/admin/jobs?state=dead&client=${client.id}`)
        return body.jobs[0]
      },
      'the dead letter',
      60,
    )
    t.match(dead, { queue: 'erasure', erasure: id, cause: 'VAPI_API_KEY is not set' })
  },
)

t.test('an erasure that is cut off between any two steps is taken up again', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const caller = newCaller()
  for (let n = 0; n < 3; n += 1) await wholeCall(h, client, caller)
  const sql = asOwner(h.app)
  // A copy has gone, and whoever deleted it dies before that is written down.
  await sql.unsafe(`
    create sequence deaths;
    create function die() returns trigger language plpgsql as $$
    begin
      if nextval('deaths') in (1, 3) then raise exception 'killed'; end if;
      return null;
    end $$;
    create trigger die after delete on erasure_copies for each statement execute function die();
    grant usage on sequence deaths to public;
  `)
  t.teardown(() => sql.unsafe('drop trigger if exists die on erasure_copies'))
  const id = await erase(h, { client_id: client.id, phone_number: caller })
  const receipt = await finished(h, id)
  t.match(receipt.copies, { vapi: 3 })
  t.strictSame([h.vapi.calls, notesAt(h, client)], [[], []])
  t.ok(
    h.logs.some(({ msg }) => msg === 'a job failed'),
    'it did die',
  )
  t.strictSame(await tablesWith(h, caller), [])
})

t.test('whatever is told in the very moment of an erasure does not outlive it', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  for (let n = 0; n < 8; n += 1) {
    const call = newCall(client.number, newCaller())
    const tell = messagesOf(call)
    await h.webhook(tell.status('in-progress', -90))
    const [id] = await Promise.all([
      erase(h, { client_id: client.id, call_id: call.id }),
      h.webhook(tell.report(0, tellingReport())),
      use(
        h,
        client,
        'find_or_create_contact',
        { name: WORDS.name },
        { callId: call.id, caller: call.caller },
      ),
      h.webhook(tell.status('ended', 0)),
    ])
    await h.app.services.journal.flush()
    await finished(h, id)
    t.strictSame(await tablesWith(h, call.id), [])
    t.strictSame(await tablesWith(h, String(call.caller)), [])
  }
  await eventually(() => notesAt(h, client).length === 0, 'no note', 60)
})
