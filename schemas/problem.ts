import { Type } from '@sinclair/typebox'

/** A failure as RFC 9457 has it. */
export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable name of the failure' }),
    detail: Type.Optional(Type.String()),
    errors: Type.Optional(Type.Array(Type.Object({ field: Type.String(), detail: Type.String() }))),
    requestId: Type.String(),
  },
  { additionalProperties: true },
)
