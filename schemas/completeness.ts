import { Type } from '@sinclair/typebox'

const Day = (description: string) =>
  Type.Optional(Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$', description }))

export const CompletenessQuery = Type.Object(
  {
    from: Day("First day, in each client's zone; the day before the last one without it"),
    to: Day('Last day, included; today without it'),
    client: Type.Optional(Type.String({ format: 'uuid', description: 'Only this client' })),
  },
  { additionalProperties: false },
)

/** Which calls have made it into the CRM. */
export const CompletenessReport = Type.Object({
  vapi_checked_until: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
    description:
      'Until when VAPI was asked for calls that nobody told of; null: it is not asked, for want of VAPI_API_KEY.',
  }),
  calls: Type.Integer(),
  complete: Type.Integer({
    description:
      'Calls whose report is stored and whose sync has been through since: the note is in the CRM, or there is nobody to write it about.',
  }),
  days: Type.Array(
    Type.Object({
      client_id: Type.String({ format: 'uuid' }),
      client_name: Type.String(),
      date: Type.String({ format: 'date' }),
      timezone: Type.String(),
      calls: Type.Integer(),
      complete: Type.Integer(),
      open: Type.Array(
        Type.Object({
          session_id: Type.String({ format: 'uuid' }),
          call_id: Type.Union([Type.String(), Type.Null()]),
          started_at: Type.String({ format: 'date-time' }),
          reason: Type.String({
            description:
              'in-progress, awaiting-report, no-report, queued, retrying, crm-paused, dead-letter, not-queued or not-synced',
          }),
          attempts: Type.Optional(Type.Integer()),
          next_try_at: Type.Optional(Type.String({ format: 'date-time' })),
          cause: Type.Optional(Type.String()),
        }),
        { description: 'The others, the latest first, with the reason' },
      ),
      unlisted: Type.Integer({ description: 'How many more there are than are listed' }),
    }),
    { description: 'By client and day; days without calls are left out.' },
  ),
})
