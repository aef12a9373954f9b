import t from 'tap'
import { deedsOf } from '../../../services/calls/deeds.ts'
import { build, eventually } from '../../helper.ts'
import { use } from '../tools/kit.ts'

const appointment = (id: string, start_time: string, title = 'Boiler') => ({
  appointment: { id, start_time, title },
})

t.test('what a call came to', async (t) => {
  const done = deedsOf([
    { name: 'check_availability', output: { slots: [] } },
    { name: 'book_appointment', output: appointment('a', 'one') },
    { name: 'book_appointment', output: appointment('b', 'two') },
    { name: 'reschedule_appointment', output: appointment('a', 'three') },
    { name: 'reschedule_appointment', output: appointment('c', 'four', 'Tap') },
    { name: 'cancel_appointment', output: appointment('b', 'two') },
    { name: 'take_message', arguments: { message: 'Call me' }, output: { taskId: 'x' } },
    { name: 'take_message', output: null },
    { name: 'book_appointment', output: 'nonsense' },
  ])
  t.strictSame(done, {
    appointments: [
      { fate: 'booked', title: 'Boiler', time: 'three' },
      { fate: 'cancelled', title: 'Boiler', time: 'two' },
      { fate: 'moved', title: 'Tap', time: 'four' },
    ],
    messages: ['Call me'],
  })
})

t.test('the note says where an appointment stands in the end, and what message was left', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const player = await h.call(client)
  await player.ring()
  await player.status('in-progress')
  const call = { callId: player.callId }
  await use(h, client, 'book_appointment', { start_time: '2026-08-21T10:30', title: 'Boiler' }, call)
  await use(h, client, 'reschedule_appointment', { new_start_time: '2026-08-24T09:00' }, call)
  await use(h, client, 'take_message', { message: 'Bring the\nlong ladder.' }, call)
  await player.report({ transcript: 'AI: Hello.', summary: 'Moved.' })
  const location = h.crm.location(client.locationId)
  const note = await eventually(() => location.contacts[0]?.notes[0], 'the note')
  t.match(note.body, /^Outcome: Appointment booked\. Message taken\. The caller hung up$/m)
  t.match(note.body, /^Booked: Boiler, Monday, August 24 at 9:00 AM$/m)
  t.match(note.body, /^Message: Bring the long ladder\.$/m)
  t.notMatch(note.body, /August 21 at/)
})
