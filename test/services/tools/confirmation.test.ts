import t from 'tap'
import { build } from '../../helper.ts'
import { use, written } from './kit.ts'

const WISH = { start_time: '2026-08-21T10:30', name: 'Ann Lee' }

t.test('a booking is confirmed by text message where the settings have a text for it', async (t) => {
  const h = await build(t)
  const silent = await h.addClient()
  t.notMatch(await use(h, silent, 'book_appointment', WISH), { result: /text message/ })
  t.equal(written(h, 'message.sent').length, 0)

  const client = await h.addClient({
    settings: { sms_confirmation: '{business}: see you on {time}.', language: 'en' },
  })
  t.match(await use(h, client, 'book_appointment', WISH), {
    result: /A confirmation has been sent by text message\.$/,
  })
  t.match(h.crm.location(client.locationId).contacts[0]?.messages, [
    { type: 'SMS', message: 'Riverside Plumbing: see you on Friday, August 21, 2026 at 10:30 AM.' },
  ])
  t.match(await use(h, client, 'book_appointment', WISH), { result: /^Already booked/ })
  t.equal(written(h, 'message.sent', client.locationId).length, 1, 'once')

  const spanish = await h.addClient({ settings: { sms_confirmation: 'Su cita: {time}', language: 'es' } })
  await use(h, spanish, 'book_appointment', WISH)
  t.match(h.crm.location(spanish.locationId).contacts[0]?.messages, [
    { message: /viernes, 21 de agosto de 2026/ },
  ])
})

t.test('the appointment stands whatever becomes of the message', async (t) => {
  const h = await build(t)
  const client = await h.addClient({ settings: { sms_confirmation: 'See you on {time}.' } })
  h.crm.fault({ match: { path: '/conversations/messages' }, kind: { type: 'status', status: 500 } })
  const { result } = await use(h, client, 'book_appointment', WISH)
  t.match(result, /^Booked: /)
  t.notMatch(result, /text message/)
})
