import { Type } from '@sinclair/typebox'

const Counts = (description: string) => Type.Record(Type.String(), Type.Integer(), { description })

export const ErasureBody = Type.Object(
  {
    client_id: Type.String({ format: 'uuid' }),
    phone_number: Type.Optional(
      Type.String({
        maxLength: 50,
        description: 'Erases all calls from this number to the client. In any notation',
      }),
    ),
    call_id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'Erases this call; VAPI’s id, or the session’s',
      }),
    ),
  },
  { additionalProperties: false, description: 'One of phone_number and call_id' },
)

export const ErasureTaken = Type.Object({ id: Type.String({ format: 'uuid' }) })

/** What became of an erasure; nobody's data. */
export const ErasureReceipt = Type.Object({
  id: Type.String({ format: 'uuid' }),
  client_id: Type.String({ format: 'uuid' }),
  reason: Type.String({
    description: 'request, or no consent: VAPI had recorded a call whose caller did not agree',
  }),
  status: Type.Union([Type.Literal('pending'), Type.Literal('done')]),
  requested_at: Type.String({ format: 'date-time' }),
  done_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  rows: Counts('Rows deleted, by table'),
  copies: Counts('Copies deleted elsewhere: jobs in the queue, crm notes, vapi calls'),
  outstanding: Type.Array(
    Type.Object({
      system: Type.String({ description: 'jobs, crm or vapi' }),
      count: Type.Integer(),
      failure: Type.Union([Type.String(), Type.Null()], { description: 'Why the last attempt failed' }),
    }),
    { description: 'Copies that are still there' },
  ),
})
