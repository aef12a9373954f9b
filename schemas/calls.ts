import { Type } from '@sinclair/typebox'
import { JobView } from './jobs.ts'

const Text = Type.Union([Type.String(), Type.Null()])
const Instant = Type.String({ format: 'date-time' })
const MaybeInstant = Type.Union([Instant, Type.Null()])

const fields = {
  id: Type.String({ format: 'uuid', description: 'The voice session' }),
  call: Type.Union([Type.String(), Type.Null()], { description: 'VAPI’s id of the call' }),
  client: Type.String({ format: 'uuid' }),
  client_name: Type.String(),
  caller: Text,
  started_at: Instant,
  ended_at: MaybeInstant,
  status: Text,
  ended_reason: Text,
  duration_seconds: Type.Union([Type.Integer(), Type.Null()]),
  reported_at: MaybeInstant,
  synced_at: MaybeInstant,
}

export const CallView = Type.Object(fields)

export const CallListQuery = Type.Object(
  {
    client: Type.Optional(Type.String({ format: 'uuid' })),
    since: Type.Optional(
      Type.String({ format: 'date-time', description: 'Only calls that began at this time or later' }),
    ),
    limit: Type.Optional(
      Type.String({ pattern: '^([1-9]\\d?|1\\d\\d|200)$', description: '1 to 200; 50 without it' }),
    ),
    cursor: Type.Optional(Type.String({ maxLength: 200, description: '`next` of the page before' })),
  },
  { additionalProperties: false },
)

export const CallList = Type.Object({
  calls: Type.Array(CallView),
  next: Type.Optional(Type.String({ description: 'Cursor of the next page; missing on the last' })),
})

/** One call explained. */
export const CallExplained = Type.Object({
  call: Type.Object({
    ...fields,
    called_number: Text,
    ghl_contact_id: Text,
    note_id: Text,
    cost: Type.Union([Type.String(), Type.Null()], { description: 'US dollars' }),
    summary: Text,
    transcript: Text,
    recorded: Type.Boolean(),
  }),
  timeline: Type.Array(
    Type.Object({
      at: Instant,
      what: Type.String(),
      ms: Type.Optional(Type.Number({ description: 'How long it took' })),
      details: Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true }),
    }),
    {
      description:
        'What came and what was done, in the order of time: events, the assistant that was sent, tools with their arguments and answers, attempts to write to the CRM.',
    },
  ),
  jobs: Type.Array(JobView, { description: 'Work on it that is still to be done, or was given up' }),
})
