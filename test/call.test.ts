import t from 'tap'
import { asOwner, build, eventually } from './helper.ts'

t.test('a whole call ends in one session, one contact, one appointment and one note', async (t) => {
  const { addClient, call, crm, app } = await build(t)
  const client = await addClient()
  const player = await call(client)
  const ring = await player.ring()
  t.equal(ring.status, 200)
  for (const status of ['queued', 'ringing', 'in-progress'])
    t.equal((await player.status(status)).status, 200)
  const booked = await player.tool('book_appointment', { start_time: '2026-08-21T10:30', name: 'Ann Lee' })
  t.match(booked.body, { results: [{ result: /^Booked: Friday, August 21 at 10:30 AM/ }] })
  t.equal((await player.status('ended', { endedReason: 'customer-ended-call' })).status, 200)
  t.equal((await player.report({ transcript: 'AI: Hello.', summary: 'Booked a visit.' })).status, 200)

  const location = crm.location(client.locationId)
  await eventually(() => location.contacts[0]?.notes.length, 'the note')
  t.equal(location.contacts.length, 1)
  t.equal(location.appointments.length, 1)
  t.match(location.contacts[0]?.notes, [{ body: /Booked: Appointment, Friday, August 21 at 10:30 AM/ }])
  const sessions = await asOwner(
    app,
  )`select status, ghl_contact_id from voice_sessions where vapi_call_id = ${player.callId}`
  t.strictSame([...sessions], [{ status: 'ended', ghl_contact_id: location.contacts[0]?.id }])
})
