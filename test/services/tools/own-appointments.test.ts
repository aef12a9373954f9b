import t from 'tap'
import { build } from '../../helper.ts'
import { rest, use, written } from './kit.ts'

const ANN = '+12505550188'
const BEN = '+12505550199'

t.test('a caller hears of their own upcoming appointments, and of nobody else’s', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  t.match(await use(h, client, 'list_appointments', {}), { result: /no upcoming appointment/ })
  await use(
    h,
    client,
    'book_appointment',
    { start_time: '2026-08-21T10:30', title: 'Leaking tap' },
    { caller: ANN },
  )
  await use(
    h,
    client,
    'book_appointment',
    { start_time: '2026-08-25T09:00', title: 'Boiler' },
    { caller: ANN },
  )
  await use(
    h,
    client,
    'book_appointment',
    { start_time: '2026-08-24T09:00', title: 'Secret' },
    { caller: BEN },
  )
  const { result } = await use(h, client, 'list_appointments', { contact_id: 'made-up' }, { caller: ANN })
  t.equal(
    result,
    'The caller has 2 appointments: Leaking tap, Friday, August 21 at 10:30 AM; Boiler, Tuesday, August 25 at 9:00 AM.',
  )
  t.match(await use(h, client, 'list_appointments', {}, { caller: BEN }), {
    result: /one appointment: Secret, Monday, August 24/,
  })
})

t.test('what a caller says of themselves opens nothing', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  await use(
    h,
    client,
    'book_appointment',
    { start_time: '2026-08-21T10:30', name: 'Ann Lee', email: 'ann@example.com' },
    { caller: ANN },
  )
  const callId = 'call-of-a-stranger'
  await use(
    h,
    client,
    'find_or_create_contact',
    { phone: ANN, email: 'ann@example.com' },
    { caller: undefined, callId },
  )
  for (const tool of ['list_appointments', 'cancel_appointment']) {
    const { error } = await use(h, client, tool, {}, { caller: undefined, callId })
    t.match(error, /number is withheld/, `${tool} from a withheld number`)
  }
  const other = 'call-with-anns-address'
  await use(h, client, 'find_or_create_contact', { email: 'ann@example.com' }, { caller: BEN, callId: other })
  t.match(await use(h, client, 'list_appointments', {}, { caller: BEN, callId: other }), {
    result: /no upcoming appointment/,
  })
  t.match(await use(h, client, 'cancel_appointment', {}, { caller: BEN, callId: other }), {
    error: /no upcoming appointment/,
  })
  t.equal(written(h, 'appointment.updated').length, 0)
})

t.test('cancelling: the one that is meant, by an update, and twice is fine', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  for (const start_time of ['2026-08-21T10:30', '2026-08-25T09:00'])
    await use(h, client, 'book_appointment', { start_time })
  t.match(await use(h, client, 'cancel_appointment', {}), {
    error: /has several: .*August 21.*August 25.*Ask which/,
  })
  t.match(await use(h, client, 'cancel_appointment', { current_time: '2026-08-22T09:00' }), {
    error: /no appointment of the caller then\. There is:/,
  })
  t.match(await use(h, client, 'cancel_appointment', { current_time: 'friday' }), {
    error: /must be a date and time/,
  })
  const wish = { current_time: '2026-08-21T10:30' }
  t.match(await use(h, client, 'cancel_appointment', wish), {
    result: 'Cancelled: Appointment, Friday, August 21 at 10:30 AM.',
  })
  t.match(await use(h, client, 'cancel_appointment', wish), {
    result: 'Cancelled: Appointment, Friday, August 21 at 10:30 AM.',
  })
  t.equal(written(h, 'appointment.updated').length, 1)
  t.equal(written(h, 'appointment.deleted').length, 0)
  t.match(
    await use(h, client, 'cancel_appointment', {}),
    { result: /Cancelled: .*August 25/ },
    'only one was left',
  )
  t.match(await use(h, client, 'check_availability', { start_date: '2026-08-21' }), { result: /Free/ })
  t.match(
    await use(h, client, 'book_appointment', { start_time: '2026-08-21T10:30' }),
    { result: /^Booked/ },
    'the time is free again',
  )
})

t.test('through REST, for the contact that is named', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const found = await rest(h, 'find_or_create_contact', { client_id: client.id, phone: ANN })
  const { contactId } = found.body as { contactId: string }
  await rest(h, 'book_appointment', {
    client_id: client.id,
    contact_id: contactId,
    start_time: '2026-08-21T10:30',
  })
  const listed = await rest(h, 'list_appointments', { client_id: client.id, contact_id: contactId })
  t.match(listed.body, {
    success: true,
    appointments: [{ start_time: '2026-08-21T10:30:00-07:00', status: 'confirmed' }],
  })
  const [{ id } = { id: '' }] = (listed.body as { appointments: { id: string }[] }).appointments
  const cancelled = await rest(h, 'cancel_appointment', {
    client_id: client.id,
    contact_id: contactId,
    appointment_id: id,
  })
  t.match(cancelled.body, { success: true, appointment: { id, status: 'cancelled' } })
  const unknown = await rest(h, 'cancel_appointment', {
    client_id: client.id,
    contact_id: contactId,
    appointment_id: 'nope',
  })
  t.equal(unknown.status, 404)
  const nobody = await rest(h, 'list_appointments', { client_id: client.id })
  t.equal(nobody.status, 403)
})
