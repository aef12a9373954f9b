import t from 'tap'
import { reportOf } from '../../../services/vapi/report.ts'
import { asOwner, eventually } from '../../helper.ts'
import { ago, bench, lists, lostCall, NUMBER_ID, rewind, sessionOf } from './lost-calls.ts'

t.test('a call whose report never came ends in the database and in the CRM, once', async (t) => {
  const b = await bench(t)
  const call = lostCall()
  b.vapi.addCall(call)
  t.match(await b.found(), { seen: 1, recovered: 1, foreign: 0, failed: 0, complete: true })
  t.match(await sessionOf(b, call.id), {
    caller: '+12505550188',
    status: 'ended',
    summary: 'Wants a quote.',
    ended_reason: 'customer-ended-call',
    duration_seconds: 120,
    reported: true,
  })
  const { contacts } = b.crm.location(b.client.locationId)
  await eventually(() => contacts[0]?.notes.length, 'the note')
  t.match(contacts[0]?.notes, [{ body: /Wants a quote/ }])

  t.equal(await b.found(), undefined, 'not due again at once')
  await rewind(b, 30)
  t.match(await b.found(), { seen: 1, recovered: 0, complete: true })
  t.match(
    b.logs.filter(({ msg }) => String(msg).startsWith('the report of a call never came')),
    [{ call: call.id }],
  )
})

t.test('a report that comes all the same merges with what was made up for it', async (t) => {
  const b = await bench(t)
  const call = lostCall()
  b.vapi.addCall(call)
  await b.found()
  const envelope = {
    message: { ...reportOf(call, new Map()).body, phoneNumber: { number: b.client.number } },
  }
  const late = { ...envelope.message, analysis: { summary: 'Wants a quote for a new boiler.' } }
  t.equal((await b.webhook({ message: late })).statusCode, 200)
  t.match(await sessionOf(b, call.id), { summary: 'Wants a quote for a new boiler.', duration_seconds: 120 })
  const { contacts } = b.crm.location(b.client.locationId)
  await eventually(() => /new boiler/.test(contacts[0]?.notes[0]?.body ?? ''), 'the note to tell')
  t.equal(contacts[0]?.notes.length, 1)
})

t.test('only what has ended, is ours and has no report is taken in', async (t) => {
  const b = await bench(t)
  const known = lostCall()
  const report = reportOf(known, new Map([[NUMBER_ID, b.client.number]])).body
  await b.webhook({ message: report })
  for (const call of [
    known,
    lostCall({ status: 'in-progress' }),
    lostCall({ phoneNumberId: 'b1b2b3b4-0000-4000-8000-000000000000' }),
    lostCall({ phoneNumberId: undefined }),
    lostCall({ type: 'outboundPhoneCall' }),
    // Its report may be under way.
    lostCall({ updatedAt: ago(2) }),
    // Looked at long ago.
    lostCall({ updatedAt: ago(60) }),
  ])
    b.vapi.addCall(call)
  const byAssistant = lostCall({
    phoneNumberId: undefined,
    assistant: { metadata: { clientId: b.client.id } },
  })
  const imported = lostCall({ phoneNumberId: undefined, phoneNumber: { twilioPhoneNumber: b.client.number } })
  b.vapi.addCall(byAssistant)
  b.vapi.addCall(imported)
  t.match(await b.found(), { seen: 6, recovered: 2, foreign: 3, failed: 0, complete: true })
  t.ok((await sessionOf(b, byAssistant.id))?.reported)
  t.ok((await sessionOf(b, imported.id))?.reported)
  t.notOk(
    b.logs.some(({ msg }) => msg === 'a message about a call of no client'),
    'calls of others are not even spoken of',
  )
})

t.test('more calls than a page holds are all found, the earliest first', async (t) => {
  const b = await bench(t, 600)
  const many = Array.from({ length: 130 }, (_, n) => lostCall({ updatedAt: ago(500 - n * 3) }))
  // A moment at which many end.
  for (let n = 0; n < 20; n += 1) many.push(lostCall({ updatedAt: ago(120) }))
  for (const call of many) b.vapi.addCall(call)
  t.match(await b.found(), { seen: 150, recovered: 150, complete: true })
  t.ok(lists(b).length > 3)
  const rows = await asOwner(b.app)`select checked_until from reconciler`
  t.equal(rows[0]?.checked_until.toISOString(), ago(3), 'the next run begins where this one ended')
})
