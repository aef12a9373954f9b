import { Type } from '@sinclair/typebox'

/** A failure as RFC 9457 has it. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'Always about:blank: `code` says more' }),
    title: Type.String({ description: 'The same sentence for each code' }),
    status: Type.Integer({ description: 'The HTTP status' }),
    code: Type.String({ description: 'Stable name of the failure' }),
    detail: Type.Optional(Type.String({ description: 'What is wrong in this case' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          field: Type.String({ description: 'The field at fault, by the name the sender knows it by' }),
          detail: Type.String({ description: 'What is wrong with it' }),
        }),
        { description: 'The fields at fault' },
      ),
    ),
    requestId: Type.String({ description: 'By which the log names this request' }),
  },
  { additionalProperties: true },
)
