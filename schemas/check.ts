import { Type } from '@sinclair/typebox'

/** What a check of a client has found. */
export const CheckReport = Type.Object({
  client_id: Type.String({ format: 'uuid' }),
  client_name: Type.String(),
  ok: Type.Boolean({ description: 'Nothing has failed; there may be warnings.' }),
  items: Type.Array(
    Type.Object({
      item: Type.String({
        description: 'What was looked at, such as token, calendar, free-slots or vapi-routing',
      }),
      status: Type.Union(
        ['ok', 'warning', 'failed', 'skipped'].map((status) => Type.Literal(status)),
        { description: 'skipped: it could not be looked at, for a reason another item gives.' },
      ),
      detail: Type.String({ description: 'What was found' }),
      remedy: Type.Union([Type.String(), Type.Null()], { description: 'How to mend it' }),
    }),
  ),
})
