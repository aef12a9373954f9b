import t from 'tap'
import { createCallRepository } from '../../../services/calls/repository.ts'
import { createSyncRepository } from '../../../services/calls/sync-repository.ts'
import { asOwner, build, eventually, type Harness } from '../../helper.ts'
import { fullReport, messagesOf, newCall } from './messages.ts'

const CALLER = '+12505550188'

const created = ({ crm }: Harness, kind: string) => crm.ledger.filter((entry) => entry.kind === kind).length

/** Waits until each of the calls is marked as synced. */
const synced = ({ app }: Harness, callIds: string[]) =>
  eventually(
    async () => {
      const rows = await asOwner(app)`
        select from voice_sessions s join crm_syncs c on c.voice_session_id = s.id
        where s.vapi_call_id = any(${callIds}) and c.synced_at is not null`
      return rows.length === callIds.length
    },
    'the calls to be synced',
    60,
  )

/** Makes the mark that a note was written fail, as when the process ends between the request and the mark. */
async function loseMarks({ app }: Harness) {
  await asOwner(app).unsafe(`
    create or replace function lose_mark() returns trigger language plpgsql as
    $$ begin raise exception 'killed here' using errcode = '57P01'; end $$`)
  await asOwner(app).unsafe(`
    create trigger lose_mark before update on crm_syncs for each row
    when (new.note_id is distinct from old.note_id) execute function lose_mark()`)
}

t.test('two instances on one database share the work: each job once, one note a call', async (t) => {
  const one = await build(t)
  const two = await build(t, { env: { GHL_BASE_URL: one.crm.url } })
  const client = await one.addClient()
  const started = Array.from({ length: 20 }, () => newCall(client.number, CALLER))
  await one.webhook(messagesOf(started[0] ?? newCall(client.number)).status('ringing', -90))
  await eventually(() => one.crm.location(client.locationId).contacts.length, 'the contact')

  const searches = () => one.crm.exchanges.filter(({ request }) => request.path.endsWith('/duplicate')).length
  const before = searches()
  await Promise.all(
    started.slice(1).map((call, n) => (n % 2 ? one : two).webhook(messagesOf(call).status('ringing', -90))),
  )
  await eventually(async () => {
    await one.app.jobs.feed()
    const open = await asOwner(
      one.app,
    )`select from pgboss.job where name = 'crm-sync' and state <> 'completed'`
    return open.length === 0
  }, 'all jobs')
  // Jobs of one caller that run at the same moment share a search.
  t.ok(searches() - before <= 19, 'one search a job at most')
  const repeated = await asOwner(one.app)`select from pgboss.job where name = 'crm-sync' and retry_count > 0`
  t.equal(repeated.length, 0, 'no job was run twice')

  const bodies = started.map((call) => messagesOf(call).report(0, fullReport()))
  await Promise.all(bodies.flatMap((body) => [one.webhook(body), two.webhook(body), one.webhook(body)]))
  await synced(
    one,
    started.map(({ id }) => id),
  )
  t.equal(created(one, 'contact.created'), 1)
  t.equal(created(one, 'note.created'), 20)
})

t.test('a caller who calls two instances at once is one contact', async (t) => {
  const one = await build(t)
  const two = await build(t, { env: { GHL_BASE_URL: one.crm.url } })
  const client = await one.addClient()
  const made = Array.from({ length: 10 }, () => newCall(client.number, CALLER))
  await Promise.all(
    made.map((call, n) => (n % 2 ? one : two).webhook(messagesOf(call).report(0, fullReport()))),
  )
  await synced(
    one,
    made.map(({ id }) => id),
  )
  t.equal(created(one, 'contact.created'), 1)
  t.equal(created(one, 'note.created'), 10)
})

t.test('the server may end between the request and the mark: the next one finds the note', async (t) => {
  const first = await build(t)
  const client = await first.addClient()
  await loseMarks(first)
  const call = newCall(client.number, CALLER)
  await first.webhook(messagesOf(call).report(0, fullReport()))
  await eventually(() => created(first, 'note.created') === 1, 'the note')
  await eventually(
    async () =>
      (await asOwner(first.app)`select from pgboss.job where name = 'crm-sync' and state = 'retry'`).length,
    'the job to have failed',
  )
  await first.app.close()

  const second = await build(t, { env: { GHL_BASE_URL: first.crm.url } })
  await asOwner(second.app)`drop trigger lose_mark on crm_syncs`
  await synced(second, [call.id])
  t.equal(created(first, 'note.created'), 1)
  const [contact] = first.crm.location(client.locationId).contacts
  const [sync] = await asOwner(second.app)`
    select note_id from crm_syncs c join voice_sessions s on s.id = c.voice_session_id where s.vapi_call_id = ${call.id}`
  t.equal(sync?.note_id, contact?.notes[0]?.id)
})

t.test('who has let the lease run out can no longer send a note nor end the lease of the next', async (t) => {
  const { app, addClient } = await build(t)
  const client = await addClient()
  const calls = createCallRepository({ sql: app.sql })
  const syncs = createSyncRepository({ sql: app.sql })
  const call = { clientId: client.id, callId: 'leased', caller: undefined, calledNumber: undefined }
  await calls.recordTools(call, [], { contactId: 'contact', queue: 'crm-sync' })
  const [session] = await asOwner(app)<
    { id: string }[]
  >`select id from voice_sessions where vapi_call_id = 'leased'`
  const sessionId = session?.id ?? ''

  const first = await syncs.lease(client.id, sessionId, 60)
  t.ok(first)
  t.equal(await syncs.lease(client.id, sessionId, 60), undefined, 'one at a time')
  await asOwner(
    app,
  )`update crm_syncs set leased_until = now() - interval '1 second' where voice_session_id = ${sessionId}`
  const second = await syncs.lease(client.id, sessionId, 60)
  t.ok(second, 'it runs out by itself')

  const held = (lease = '') => ({ clientId: client.id, sessionId, lease })
  t.equal(await syncs.noteAttempted(held(first?.lease)), false)
  await syncs.release(held(first?.lease), true)
  t.equal(await syncs.lease(client.id, sessionId, 60), undefined, 'it is still the second one who has it')
  t.equal(await syncs.noteAttempted(held(second?.lease)), true)
  await syncs.release(held(second?.lease), true)
  const third = await syncs.lease(client.id, sessionId, 60)
  t.ok(third && third.attempt_age !== null && third.attempt_age < 60)
  await syncs.noteRefused(held(third?.lease))
  await syncs.release(held(third?.lease), false)
  t.equal((await syncs.lease(client.id, sessionId, 60))?.attempt_age, null)
})

t.test('a call that another instance has is waited for; one that it keeps is put off', async (t) => {
  const harness = await build(t)
  const { app, addClient, webhook } = harness
  const client = await addClient()
  const syncs = createSyncRepository({ sql: app.sql })
  const postponed = () =>
    harness.logs.filter(({ err }) => /another worker/.test(String((err as { message?: unknown })?.message)))

  const call = newCall(client.number, CALLER)
  await webhook(messagesOf(call).report(0, fullReport()))
  await synced(harness, [call.id])
  const [session] = await asOwner(app)<
    { id: string }[]
  >`select id from voice_sessions where vapi_call_id = ${call.id}`
  const sessionId = session?.id ?? ''
  /** Another instance takes the call, a fuller report comes, and it gives the call back, or does not. */
  const keep = async (summary: string) => {
    // Whoever wrote the last note gives the call back a moment after it is there.
    const { lease } = await eventually(() => syncs.lease(client.id, sessionId, 60), 'the call to be free')
    const givenBack = () => syncs.release({ clientId: client.id, sessionId, lease }, true)
    await webhook(messagesOf(call).report(5, fullReport({ analysis: { summary } })))
    return givenBack
  }
  const noted = (summary: string) => () =>
    harness.crm.location(client.locationId).contacts[0]?.notes[0]?.body.includes(summary)

  const givenBack = await keep('Wants a tap mended, and the boiler.')
  await new Promise((resolve) => setTimeout(resolve, 400))
  await givenBack()
  await eventually(noted('and the boiler'), 'the note to be rewritten', 8)
  t.same(postponed(), [])

  const givenBackLate = await keep('Wants a tap mended, and the boiler, and the roof of the house as well.')
  await eventually(() => postponed().length, 'the job to be put off')
  await givenBackLate()
  await eventually(noted('and the roof'), 'the note to be rewritten', 30)
})
