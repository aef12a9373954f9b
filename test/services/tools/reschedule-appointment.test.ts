import t from 'tap'
import { build } from '../../helper.ts'
import { use, useAll, written } from './kit.ts'

const EVENT = /^\/calendars\/events\/appointments\/[^/]+$/
const MOVE = 'reschedule_appointment'

async function withOne(t: Parameters<typeof build>[0]) {
  const h = await build(t)
  const client = await h.addClient()
  await use(h, client, 'book_appointment', { start_time: '2026-08-21T10:30', title: 'Boiler' })
  return { h, client, appointments: () => h.crm.location(client.locationId).appointments }
}

t.test('moving is an update of the same appointment', async (t) => {
  const { h, client, appointments } = await withOne(t)
  const [before] = appointments()
  const { result } = await use(h, client, MOVE, { new_start_time: '2026-08-24T09:00' })
  t.equal(result, 'Moved: Boiler is now on Monday, August 24 at 9:00 AM. Confirm it to the caller.')
  t.match(appointments(), [
    {
      id: before?.id,
      startTime: '2026-08-24T09:00:00-07:00',
      endTime: '2026-08-24T09:30:00-07:00',
      appointmentStatus: 'confirmed',
      title: 'Boiler',
    },
  ])
  t.equal(appointments().length, 1)
  t.equal(written(h, 'appointment.created').length, 1)
  t.equal(written(h, 'appointment.deleted').length, 0)
  const again = await use(h, client, MOVE, { new_start_time: '2026-08-24T09:00' })
  t.match(again, { result: /^Moved: Boiler is now on Monday, August 24/ }, 'asked for twice')
  t.equal(written(h, 'appointment.updated').length, 1, 'done once')
})

t.test('refused with alternatives: past, not offered, not existing, taken', async (t) => {
  const { h, client, appointments } = await withOne(t)
  t.match(await use(h, client, MOVE, { new_start_time: '2026-08-20T09:00' }), {
    error: /has passed\. Free: Friday, August 21/,
  })
  t.match(await use(h, client, MOVE, { new_start_time: '2026-08-24T09:10' }), {
    error: /not free\. Free: Monday, August 24/,
  })
  t.match(await use(h, client, MOVE, { new_start_time: 'monday' }), {
    error: /new_start_time must be a date and time/,
  })
  await use(h, client, 'book_appointment', { start_time: '2026-08-24T09:00' }, { caller: '+12505550199' })
  t.match(await use(h, client, MOVE, { new_start_time: '2026-08-24T09:00' }), { error: /not free\. Free: / })
  t.equal(appointments()[0]?.startTime, '2026-08-21T10:30:00-07:00')
})

t.test('only the caller’s own', async (t) => {
  const { h, client, appointments } = await withOne(t)
  const stranger = { caller: '+12505550199' }
  const [{ id } = { id: '' }] = appointments()
  const wish = { new_start_time: '2026-08-24T09:00', appointment_id: id }
  t.match(await use(h, client, MOVE, wish, stranger), { error: /no upcoming appointment/ })
  t.match(await use(h, client, MOVE, wish, { caller: undefined }), { error: /number is withheld/ })
  t.equal(written(h, 'appointment.updated').length, 0)
})

t.test('the status of the appointment is sent back, since GHL would reset it', async (t) => {
  const { h, client, appointments } = await withOne(t)
  const [one] = appointments()
  await fetch(`${h.crm.url}/calendars/events/appointments/${one?.id}`, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${client.token}`,
      version: '2021-04-15',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ appointmentStatus: 'new' }),
  })
  await use(h, client, MOVE, { new_start_time: '2026-08-24T09:00' })
  t.match(appointments(), [{ startTime: '2026-08-24T09:00:00-07:00', appointmentStatus: 'new' }])
})

t.test('a lost answer: moved once, and said only when it is so', async (t) => {
  const { h, client, appointments } = await withOne(t)
  h.crm.fault({ match: { method: 'PUT', path: EVENT }, times: 1, kind: { type: 'drop-after-commit' } })
  t.match(await use(h, client, MOVE, { new_start_time: '2026-08-24T09:00' }), { result: /^Moved/ })
  t.equal(written(h, 'appointment.updated').length, 1)
  h.crm.fault({ match: { method: 'PUT', path: EVENT }, times: 2, kind: { type: 'drop-before' } })
  t.match(await use(h, client, MOVE, { new_start_time: '2026-08-25T09:00' }), {
    error: /not certain whether the appointment was moved/,
  })
  t.equal(appointments()[0]?.startTime, '2026-08-24T09:00:00-07:00')
})

t.test('two callers want to move to the same time: one gets it', async (t) => {
  const { h, client, appointments } = await withOne(t)
  const other = { caller: '+12505550199' }
  await use(h, client, 'book_appointment', { start_time: '2026-08-21T11:30' }, other)
  const move = [{ name: MOVE, args: { new_start_time: '2026-08-24T09:00' } }]
  const results = (await Promise.all([useAll(h, client, move), useAll(h, client, move, other)])).flat()
  t.equal(results.filter(({ result }) => result?.startsWith('Moved')).length, 1)
  t.equal(results.filter(({ error }) => /Free: /.test(error ?? '')).length, 1)
  t.equal(appointments().filter(({ startTime }) => startTime === '2026-08-24T09:00:00-07:00').length, 1)
})
