import t from 'tap'
import { isNoteOf, writeNote } from '../../../services/calls/note.ts'
import type { Session } from '../../../services/calls/repository.ts'
import { NOW } from '../../helper.ts'

const session: Session = {
  id: '33333333-3333-4333-8333-333333333333',
  client_id: '11111111-1111-4111-8111-111111111111',
  vapi_call_id: 'call-1',
  caller: '+12505550188',
  called_number: '+17785550001',
  started_at: NOW,
  ended_at: NOW.add({ seconds: 88 }),
  status: 'ended',
  ended_reason: 'customer-ended-call',
  duration_seconds: null,
  recording_url: null,
  summary: null,
  context: {},
  ghl_contact_id: 'contact',
  reported_at: null,
  withheld: false,
}

const write = (change: Partial<Session> = {}, times: string[] = []) =>
  writeNote({
    session: { ...session, ...change },
    deeds: { appointments: times.map((time) => ({ fate: 'booked', title: 'Visit', time })), messages: [] },
    recording: undefined,
    zone: 'America/Vancouver',
  })

t.test('a note is known by the id of its call, the whole of it', async (t) => {
  t.ok(isNoteOf('call-1', write()))
  t.notOk(isNoteOf('call-1', write({ vapi_call_id: 'call-10' })))
  t.notOk(isNoteOf('call-1', write({ vapi_call_id: 'call-1-b' })))
  t.notOk(isNoteOf('call.1', write()))
  t.ok(
    isNoteOf('call-1', `<p>${write().replaceAll('\n', '<br>')}</p>`),
    'also where the CRM has made HTML of it',
  )
})

t.test('what is not known of a call is left out or told from what is', async (t) => {
  t.match(write(), /Duration: 1 min 28 s/, 'reckoned from its times')
  t.match(write({ duration_seconds: 5 }), /Duration: 5 s/)
  t.notMatch(write(), /Summary|Reason|Booked|Recording|undefined|null/)
  t.match(write({ ended_reason: null }), /Outcome: The call ended/)
  t.match(
    write({ ended_reason: 'pipeline-error-openai-llm-failed' }),
    /Outcome: The call failed \(pipeline-error/,
  )
  t.match(write({ ended_reason: 'something-new' }), /Outcome: something-new/)
  t.match(write({ caller: null }), /^Friday, August 21, 2026, 8:00 AM\nOutcome/)
})

t.test('a time the CRM tells in its own way is told so', async (t) => {
  const body = write({}, ['2026-08-21T10:30:00-07:00', '2026-08-21 11:00:00'])
  t.match(body, /Booked: Visit, Friday, August 21 at 10:30 AM/)
  t.match(body, /Booked: Visit, 2026-08-21 11:00:00/)
})
