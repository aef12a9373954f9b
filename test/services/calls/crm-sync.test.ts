import t from 'tap'
import { asOwner, build, eventually, type Harness, NOW, PUBLIC_URL, type TestClient } from '../../helper.ts'
import { fullReport, messagesOf, newCall } from './messages.ts'

const CALLER = '+12505550188'

const notesIn = ({ crm }: Harness, { locationId }: TestClient) =>
  crm.location(locationId).contacts.flatMap(({ notes }) => notes)

/** When the sync has done all there is to do for now: every job of the call is over. */
async function settled({ app }: Harness, callId: string, seconds = 40) {
  await eventually(
    async () => {
      await app.jobs.feed()
      const open = await asOwner(app)`
        select from pgboss.job where name = 'crm-sync' and state in ('created', 'retry', 'active')
          and start_after < now() + interval '5 minutes'
          and data ->> 'sessionId' = (select id::text from voice_sessions where vapi_call_id = ${callId})`
      return open.length === 0
    },
    'the jobs to be done',
    seconds,
  )
}

async function sessionOf({ app }: Harness, callId: string) {
  const [row] = await asOwner(app)`
    select s.id, s.ghl_contact_id, c.note_id, c.synced_at from voice_sessions s
    left join crm_syncs c on c.voice_session_id = s.id where s.vapi_call_id = ${callId}`
  return row
}

t.test('when a call starts its caller is created in the CRM, once, and stored on the session', async (t) => {
  const harness = await build(t)
  const client = await harness.addClient()
  const call = newCall(client.number, CALLER)
  for (const status of ['queued', 'ringing', 'in-progress'])
    await harness.webhook(messagesOf(call).status(status, -90))
  await settled(harness, call.id)
  const { contacts } = harness.crm.location(client.locationId)
  t.match(contacts, [{ phone: CALLER, notes: [] }])
  t.equal(contacts.length, 1)
  t.match(await sessionOf(harness, call.id), { ghl_contact_id: contacts[0]?.id, synced_at: null })

  const again = newCall(client.number, CALLER)
  await harness.webhook(messagesOf(again).status('ringing', 0))
  await settled(harness, again.id)
  t.match(
    await sessionOf(harness, again.id),
    { ghl_contact_id: contacts[0]?.id },
    'the second time it is found',
  )
  const kinds = harness.crm.ledger.map(({ kind }) => kind)
  t.strictSame(kinds, ['contact.created'], 'and not written to')
})

t.test('the one note tells everything', async (t) => {
  const harness = await build(t)
  const client = await harness.addClient()
  const player = await harness.call(client, { caller: CALLER })
  await player.ring()
  await player.status('in-progress')
  await player.tool('book_appointment', {
    start_time: '2026-08-21T10:30',
    name: 'Ann Lee',
    title: 'Leaking tap',
  })
  await player.status('ended', { endedReason: 'customer-ended-call' })
  await player.report({ transcript: 'AI: Hello.', summary: 'Wants a tap mended.', seconds: 88 })
  await settled(harness, player.callId)
  const notes = notesIn(harness, client)
  t.equal(notes.length, 1)
  const body = notes[0]?.body ?? ''
  for (const part of [
    `Call id: ${player.callId}`,
    'Outcome: Appointment booked. The caller hung up',
    'Duration: 1 min 28 s',
    'Summary: Wants a tap mended.',
    'Booked: Leaking tap, Friday, August 21 at 10:30 AM',
    `Caller: ${CALLER}`,
    `Recording: ${PUBLIC_URL}/recordings/`,
  ])
    t.ok(body.includes(part), part)
  t.notMatch(body, /storage\.vapi\.ai/, "VAPI's own address does not last")
  t.notMatch(body, /expires/)
  t.ok((await sessionOf(harness, player.callId))?.synced_at)
})

t.test('repeated reports write one note; a fuller one updates it', async (t) => {
  const harness = await build(t)
  const client = await harness.addClient()
  const call = newCall(client.number, CALLER)
  const { status, report } = messagesOf(call)
  await harness.webhook(status('ended', -1, { endedReason: 'customer-ended-call' }))
  const thin = fullReport({ analysis: {} })
  await Promise.all(Array.from({ length: 10 }, () => harness.webhook(report(0, thin))))
  await settled(harness, call.id)
  t.equal(notesIn(harness, client).length, 1)
  t.notMatch(notesIn(harness, client)[0]?.body, /Summary/)

  await harness.webhook(report(9, fullReport()))
  await harness.webhook(report(9, thin))
  await settled(harness, call.id)
  t.equal(notesIn(harness, client).length, 1)
  t.match(notesIn(harness, client)[0]?.body, /Summary: Booked a visit\./)
  const kinds = harness.crm.ledger.filter(({ kind }) => kind.startsWith('note.')).map(({ kind }) => kind)
  t.strictSame(kinds, ['note.created', 'note.updated'])
})

t.test('a note that a human deleted stays deleted', async (t) => {
  const harness = await build(t)
  const client = await harness.addClient()
  const call = newCall(client.number, CALLER)
  await harness.webhook(messagesOf(call).report(0, fullReport({ analysis: {} })))
  await settled(harness, call.id)
  const [contact] = harness.crm.location(client.locationId).contacts
  const [note] = contact?.notes ?? []
  const deleted = await fetch(`${harness.crm.url}/contacts/${contact?.id}/notes/${note?.id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${client.token}`, version: '2021-07-28' },
  })
  t.equal(deleted.status, 200)
  await harness.webhook(messagesOf(call).report(5, fullReport()))
  await settled(harness, call.id)
  t.equal(notesIn(harness, client).length, 0)
  const dead = await asOwner(harness.app)`select from pgboss.job where name = 'crm-sync-dead'`
  t.equal(dead.length, 0, 'and that is no failure')
})

t.test('an anonymous caller is nobody in the CRM, and the call is synced all the same', async (t) => {
  const harness = await build(t)
  const client = await harness.addClient()
  for (const caller of [undefined, 'anonymous', '+266696687']) {
    const call = { ...newCall(client.number), caller }
    await harness.webhook(messagesOf(call).status('ringing', -90))
    t.equal((await harness.webhook(messagesOf(call).report(0, fullReport()))).statusCode, 200)
    await settled(harness, call.id)
    t.match(await sessionOf(harness, call.id), { ghl_contact_id: null, synced_at: Date, note_id: null })
  }
  t.strictSame(harness.crm.ledger, [])
  t.strictSame(harness.crm.location(client.locationId).contacts, [])
})

t.test('a call without a report is noted after some patience, and not before', async (t) => {
  let now = NOW
  const harness = await build(t, { now: () => now })
  const client = await harness.addClient()
  const call = newCall(client.number, CALLER)
  await harness.webhook(messagesOf(call).status('in-progress', -60))
  await harness.webhook(messagesOf(call).status('ended', 0, { endedReason: 'customer-ended-call' }))
  await settled(harness, call.id)
  t.equal(notesIn(harness, client).length, 0)

  const [late] = await asOwner(harness.app)<{ id: string; seconds: number }[]>`
    select id, extract(epoch from start_after - now())::float as seconds from pgboss.job
    where name = 'crm-sync' and state = 'created'
      and data ->> 'sessionId' = (select id::text from voice_sessions where vapi_call_id = ${call.id})`
  t.ok(
    late && late.seconds > 600 && late.seconds < 900,
    `to be looked at again in ${Math.round(late?.seconds ?? 0)} s`,
  )
  now = NOW.add({ minutes: 11 })
  await asOwner(harness.app)`update pgboss.job set start_after = now() where id = ${late?.id ?? ''}`
  await eventually(() => notesIn(harness, client).length, 'the note')
  t.match(notesIn(harness, client)[0]?.body, /The caller hung up[\s\S]*Duration: 1 min 0 s/)

  await harness.webhook(messagesOf(call).report(660, fullReport()))
  await settled(harness, call.id)
  t.equal(notesIn(harness, client).length, 1, 'a report that comes later still updates that note')
  t.match(notesIn(harness, client)[0]?.body, /Summary: Booked a visit/)
})

t.test("without a VAPI key the note has the report's own link, marked as expiring", async (t) => {
  const harness = await build(t, { env: { VAPI_API_KEY: undefined } })
  const client = await harness.addClient()
  const call = newCall(client.number, CALLER)
  await harness.webhook(messagesOf(call).report(0, fullReport()))
  await settled(harness, call.id)
  t.match(
    notesIn(harness, client)[0]?.body,
    /^Recording: https:\/\/storage\.vapi\.ai\/x\.wav\?signature=1 \(this link expires\)$/m,
  )
})

t.test('a call without a recording has no link to one', async (t) => {
  const harness = await build(t)
  const client = await harness.addClient()
  const call = newCall(client.number, CALLER)
  await harness.webhook(messagesOf(call).report(0, fullReport({ artifact: { transcript: 'AI: Hello.' } })))
  await settled(harness, call.id)
  t.equal(notesIn(harness, client).length, 1)
  t.notMatch(notesIn(harness, client)[0]?.body, /Recording|http/)
})

t.test('two clients with the same caller never mix', async (t) => {
  const harness = await build(t)
  const clients = [await harness.addClient(), await harness.addClient()]
  const made = clients.map((client) => ({ client, call: newCall(client.number, CALLER) }))
  await Promise.all(
    made.map(({ client, call }) =>
      harness.webhook(messagesOf(call).report(0, fullReport({ analysis: { summary: `For ${client.id}` } }))),
    ),
  )
  for (const { client, call } of made) {
    await settled(harness, call.id)
    const notes = notesIn(harness, client)
    t.equal(notes.length, 1)
    t.match(notes[0]?.body, new RegExp(`For ${client.id}[\\s\\S]*Call id: ${call.id}`))
    const { contacts } = harness.crm.location(client.locationId)
    t.match(await sessionOf(harness, call.id), { ghl_contact_id: contacts[0]?.id })
  }
  for (const { request } of harness.crm.exchanges) {
    const owner = clients.find(({ token }) => request.headers.authorization === `Bearer ${token}`)
    const named =
      request.query.locationId ?? (request.body as { locationId?: string } | undefined)?.locationId
    if (named) t.equal(named, owner?.locationId)
  }
})
