import { Kind, type Static, type TObject, type TSchema, Type } from '@sinclair/typebox'
import { ClientSettings } from './client.ts'

/** What operators send and get, in the names of the table. */

/** The schema with unknown properties refused at every depth: what an operator writes is meant to have an effect. */
function strict<T extends TSchema>(schema: T): T {
  const copy: TSchema = { ...schema }
  if (schema[Kind] === 'Object') {
    copy.additionalProperties = false
    copy.properties = Object.fromEntries(
      Object.entries((schema as unknown as TObject).properties).map(([name, inner]) => [name, strict(inner)]),
    )
  }
  if (Array.isArray(schema.anyOf)) copy.anyOf = schema.anyOf.map(strict)
  if (schema[Kind] === 'Array') copy.items = strict(schema.items)
  return copy as T
}

const Settings = strict(ClientSettings)

/** null takes a setting away; what is not named stays. */
const SettingsChange = Type.Object(
  Object.fromEntries(
    Object.entries(Settings.properties).map(([name, schema]) => [
      name,
      Type.Optional(Type.Union([schema, Type.Null()])),
    ]),
  ),
  {
    additionalProperties: false,
    description:
      'Settings that are named take the place of what was there, null takes one away, others stay.',
  },
)

const Id = (description: string) => Type.String({ pattern: '^[\\w.-]{1,100}$', description })
const Status = Type.Union([Type.Literal('active'), Type.Literal('paused')], {
  description: 'A paused client is answered with a generic sentence, and its tools do nothing.',
})

const fields = {
  client_name: Type.String({
    minLength: 1,
    maxLength: 200,
    pattern: '\\S',
    description: 'Name of the business',
  }),
  twilio_number: Type.String({
    maxLength: 50,
    description: 'The number that is answered, in any notation; kept in E.164. One client to a number.',
  }),
  ghl_token: Type.String({
    // Goes into a header as it is; what begins like a sealed one could never be opened.
    pattern: '^(?!sealed:)[\\x21-\\x7e]{1,4000}$',
    description: "The location's private integration token. Kept sealed, never given out.",
  }),
  location_id: Id('GHL location'),
  calendar_id: Type.Union([Id('GHL calendar'), Type.Null()]),
  timezone: Type.String({ maxLength: 100, description: 'IANA zone, such as America/New_York' }),
  status: Status,
}

export const NewClientBody = Type.Object(
  {
    client_name: fields.client_name,
    twilio_number: fields.twilio_number,
    ghl_token: fields.ghl_token,
    location_id: fields.location_id,
    calendar_id: Type.Optional(fields.calendar_id),
    timezone: Type.Optional(fields.timezone),
    settings: Type.Optional(Settings),
    status: Type.Optional(Status),
  },
  { additionalProperties: false },
)
export type NewClientBody = Static<typeof NewClientBody>

export const ClientChangeBody = Type.Partial(
  Type.Object({ ...fields, settings: SettingsChange }, { additionalProperties: false }),
  { additionalProperties: false },
)
export type ClientChangeBody = Partial<Omit<NewClientBody, 'settings'>> & {
  settings?: Record<string, unknown>
}

/** A client as operators see it. */
export const ClientView = Type.Object({
  id: Type.String({ format: 'uuid' }),
  client_name: Type.String(),
  twilio_number: Type.String(),
  ghl_token_last4: Type.Union([Type.String(), Type.Null()], {
    description: "The token's last characters; null if it cannot be read or is too short to show any.",
  }),
  location_id: Type.String(),
  calendar_id: Type.Union([Type.String(), Type.Null()]),
  timezone: Type.Union([Type.String(), Type.Null()]),
  settings: Type.Unsafe<unknown>({ type: 'object', additionalProperties: true }),
  status: Type.String(),
  created_at: Type.String({ format: 'date-time' }),
  updated_at: Type.String({ format: 'date-time' }),
  problems: Type.Array(Type.String(), { description: 'What is wrong with the row; empty if nothing is.' }),
})
export type ClientView = Static<typeof ClientView>

const PAGE = {
  limit: Type.Optional(
    Type.String({ pattern: '^([1-9]\\d?|1\\d\\d|200)$', description: '1 to 200; 50 without it' }),
  ),
  cursor: Type.Optional(Type.String({ maxLength: 500, description: '`next` of the page before' })),
}

export const ClientListQuery = Type.Object(
  {
    ...PAGE,
    status: Type.Optional(Type.String({ maxLength: 50 })),
    q: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, description: 'Part of the name or number' }),
    ),
  },
  { additionalProperties: false },
)

export const ClientList = Type.Object({
  clients: Type.Array(ClientView),
  next: Type.Optional(Type.String({ description: 'Cursor of the next page; missing on the last' })),
})
export type ClientList = Static<typeof ClientList>

export const AuditQuery = Type.Object(
  {
    ...PAGE,
    cursor: Type.Optional(Type.String({ pattern: '^\\d{1,18}$', description: '`next` of the page before' })),
    client: Type.Optional(Type.String({ format: 'uuid' })),
  },
  { additionalProperties: false },
)

export const AuditList = Type.Object({
  entries: Type.Array(
    Type.Object({
      id: Type.String(),
      at: Type.String({ format: 'date-time' }),
      operator: Type.String({
        description: "Name of the admin's token, or cli: and the user of the machine",
      }),
      operation: Type.String(),
      client: Type.Union([Type.String(), Type.Null()]),
      details: Type.Unsafe<unknown>({ type: 'object', additionalProperties: true }),
    }),
  ),
  next: Type.Optional(Type.String()),
})
