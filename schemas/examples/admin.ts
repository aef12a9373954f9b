import { CALL, CLIENT, CONTACT, ERASURE, type Examples, JOB, SESSION } from './names.ts'

const client = {
  id: CLIENT,
  client_name: 'Riverside Plumbing',
  twilio_number: '+17787450185',
  ghl_token_last4: '4f2a',
  location_id: 've9EPM428h8vShlRW1KT',
  calendar_id: 'ocQHyuzHvysMo5N5VsXc',
  timezone: 'America/Vancouver',
  settings: { hours: 'Weekdays 9 to 5', transfer_number: '+14155550100' },
  status: 'active',
  created_at: '2026-08-20T09:00:00.000Z',
  updated_at: '2026-08-20T09:00:00.000Z',
  problems: [],
}

const call = {
  id: SESSION,
  call: CALL,
  client: CLIENT,
  client_name: 'Riverside Plumbing',
  caller: '+12505550188',
  started_at: '2026-08-21T15:00:00.000Z',
  ended_at: '2026-08-21T15:02:10.000Z',
  status: 'ended',
  ended_reason: 'customer-ended-call',
  duration_seconds: 130,
  reported_at: '2026-08-21T15:02:31.000Z',
  synced_at: '2026-08-21T15:02:33.000Z',
}

const job = {
  id: JOB,
  queue: 'crm-sync',
  state: 'dead',
  client: CLIENT,
  session: SESSION,
  attempts: 1,
  created_at: '2026-08-21T15:02:31.000Z',
  next_at: null,
  cause: 'ghl notes.create answered 401',
}

/** What operators use. */
export const ADMIN_EXAMPLES: Examples = {
  'admin.clients.add': {
    body: {
      client_name: client.client_name,
      twilio_number: '(778) 745-0185',
      ghl_token: 'pit-00000000-0000-0000-0000-000000000000',
      location_id: client.location_id,
      calendar_id: client.calendar_id,
      timezone: client.timezone,
      settings: client.settings,
    },
    answer: client,
  },
  'admin.clients.list': { answer: { clients: [client] } },
  'admin.clients.show': { answer: client },
  'admin.clients.change': {
    body: { settings: { hours: 'Every day 8 to 6', greeting: null } },
    answer: { ...client, settings: { ...client.settings, hours: 'Every day 8 to 6' } },
  },
  'admin.clients.check': {
    answer: {
      client_id: CLIENT,
      client_name: client.client_name,
      ok: false,
      items: [
        { item: 'token', status: 'ok', detail: 'The CRM accepts the token.', remedy: null },
        {
          item: 'calendar',
          status: 'failed',
          detail: 'The location has no calendar with this id.',
          remedy: 'Set calendar_id to one of the calendars of the location.',
        },
      ],
    },
  },
  'admin.calls.list': { answer: { calls: [call] } },
  'admin.calls.show': {
    answer: {
      call: {
        ...call,
        called_number: client.twilio_number,
        ghl_contact_id: CONTACT,
        note_id: 'PCZ3pEdZ1uG1uFUY2fHj',
        cost: '0.081200',
        summary: 'The caller booked a visit for a leaking tap.',
        transcript: 'AI: Hello.\nUser: Hi.\n',
        recorded: true,
      },
      timeline: [
        { at: '2026-08-21T15:00:00.000Z', what: 'assistant', ms: 1.4, details: {} },
        { at: '2026-08-21T15:02:31.000Z', what: 'end-of-call-report', details: {} },
      ],
      jobs: [],
    },
  },
  'admin.erasures.request': {
    body: { client_id: CLIENT, phone_number: '+12505550188' },
    answer: { id: ERASURE },
  },
  'admin.erasures.show': {
    answer: {
      id: ERASURE,
      client_id: CLIENT,
      reason: 'request',
      status: 'pending',
      requested_at: '2026-08-22T10:00:00.000Z',
      done_at: null,
      rows: { voice_sessions: 2, call_events: 9 },
      copies: { crm: 1, vapi: 2 },
      outstanding: [{ system: 'crm', count: 1, failure: 'the CRM did not answer' }],
    },
  },
  'admin.jobs.list': { answer: { jobs: [job] } },
  'admin.jobs.show': { answer: job },
  'admin.jobs.retry': { body: { queue: 'crm-sync', client: CLIENT }, answer: { moved: 3 } },
  'admin.audit': {
    answer: {
      entries: [
        {
          id: '42',
          at: '2026-08-20T09:00:00.000Z',
          operator: 'alice',
          operation: 'clients.change',
          client: CLIENT,
          details: { fields: ['settings.hours'] },
        },
      ],
    },
  },
  'admin.completeness': {
    answer: {
      vapi_checked_until: '2026-08-21T15:20:00.000Z',
      calls: 12,
      complete: 11,
      days: [
        {
          client_id: CLIENT,
          client_name: client.client_name,
          date: '2026-08-21',
          timezone: client.timezone,
          calls: 12,
          complete: 11,
          open: [
            {
              session_id: SESSION,
              call_id: CALL,
              started_at: call.started_at,
              reason: 'dead-letter',
              attempts: 1,
              cause: job.cause,
            },
          ],
          unlisted: 0,
        },
      ],
    },
  },
  'admin.ghl.oauth.start': {
    answer: {
      url: 'https://marketplace.gohighlevel.com/oauth/chooselocation?response_type=code&client_id=…&state=…',
      expires_in_seconds: 1800,
    },
  },
}
