import { Type } from '@sinclair/typebox'

const Queue = Type.Union([Type.Literal('crm-sync'), Type.Literal('erasure')])
const State = Type.Union(
  [Type.Literal('queued'), Type.Literal('retrying'), Type.Literal('active'), Type.Literal('dead')],
  { description: 'dead: given up, kept for a year and can be brought back.' },
)

export const JobView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  queue: Queue,
  state: State,
  client: Type.String({ format: 'uuid' }),
  session: Type.Optional(Type.String({ format: 'uuid', description: 'The voice session it is about' })),
  erasure: Type.Optional(Type.String({ format: 'uuid', description: 'The erasure it carries out' })),
  attempts: Type.Integer({ description: 'Times it has been tried' }),
  created_at: Type.String({ format: 'date-time' }),
  next_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  cause: Type.Union([Type.String(), Type.Null()], { description: 'Why the last attempt failed' }),
})

export const JobListQuery = Type.Object(
  {
    state: Type.Optional(State),
    queue: Type.Optional(Queue),
    client: Type.Optional(Type.String({ format: 'uuid' })),
    limit: Type.Optional(
      Type.String({ pattern: '^([1-9]\\d?|1\\d\\d|200)$', description: '1 to 200; 50 without it' }),
    ),
    cursor: Type.Optional(Type.String({ maxLength: 200, description: '`next` of the page before' })),
  },
  { additionalProperties: false },
)

export const JobList = Type.Object({
  jobs: Type.Array(JobView),
  next: Type.Optional(Type.String({ description: 'Cursor of the next page; missing on the last' })),
})

export const RetryBody = Type.Object(
  {
    id: Type.Optional(Type.String({ format: 'uuid', description: 'This dead letter only' })),
    queue: Type.Optional(Queue),
    client: Type.Optional(Type.String({ format: 'uuid', description: 'Those of this client only' })),
  },
  { additionalProperties: false },
)

export const Retried = Type.Object({ moved: Type.Integer({ description: 'Jobs that are queued again' }) })
