import { Value } from '@sinclair/typebox/value'
import { ClientSettings } from '../../schemas/client.ts'
import { toE164 } from '../phone.ts'
import { createSecrets, placeOf, SecretError, type Secrets } from '../secrets.ts'
import { isZone } from '../time.ts'

/** A business, ready for use: what could be read of its row, and what could not. Frozen, since it is shared. */
export interface Client {
  readonly id: string
  /** May be empty where the row has no usable name. */
  readonly name: string
  /** The number that is answered, E.164. */
  readonly number: string
  /** IANA zone; undefined where the row names none that exists: then nothing is said or booked by the clock. */
  readonly timezone: string | undefined
  readonly crm: {
    /** Empty where the row's cannot be read: then nothing is sent to the CRM. */
    readonly token: string
    readonly locationId: string
    readonly calendarId: string | undefined
  }
  readonly settings: Readonly<ClientSettings>
  readonly active: boolean
  /** What is wrong with the row, for the log and the operator; empty if nothing is. */
  readonly problems: readonly string[]
}

/** A row of `clients` as PostgreSQL returns it. */
export interface ClientRow {
  id: string
  client_name: string | null
  twilio_number: string
  /** Sealed, or plain in rows of before there was a key. */
  ghl_token: string
  location_id: string
  calendar_id: string | null
  timezone: string | null
  settings: unknown
  status: string
}

const NO_KEYS = createSecrets([])

/** Where a client's token stands, for sealing it. */
export const tokenPlace = (clientId: string) => placeOf('clients.ghl_token', clientId)

/**
 * Makes a client of a row, whatever stands in it: a business with a bad setting, or with a token that does not open,
 * is still answered. What does not fit is left out and named in `problems`.
 */
export function toClient(row: ClientRow, secrets: Pick<Secrets, 'open'> = NO_KEYS): Client {
  const problems: string[] = []
  const name = (row.client_name ?? '').replace(/\s+/gu, ' ').trim()
  if (!name) problems.push('client_name is empty')
  const timezone = isZone(row.timezone) ? row.timezone : undefined
  if (!timezone) problems.push(`timezone ${JSON.stringify(row.timezone)} is not an IANA zone`)
  if (toE164(row.twilio_number) !== row.twilio_number) problems.push('twilio_number is not in E.164')
  return Object.freeze({
    id: row.id,
    name,
    number: row.twilio_number,
    timezone,
    crm: Object.freeze({
      token: readToken(row, secrets, problems),
      locationId: row.location_id,
      calendarId: row.calendar_id?.trim() || undefined,
    }),
    settings: readSettings(row.settings, problems),
    active: row.status === 'active',
    problems: Object.freeze(problems),
  })
}

function readToken({ id, ghl_token }: ClientRow, secrets: Pick<Secrets, 'open'>, problems: string[]): string {
  try {
    const token = secrets.open(ghl_token, tokenPlace(id))
    if (!token) problems.push('ghl_token is empty')
    return token
  } catch (error) {
    if (!(error instanceof SecretError)) throw error
    problems.push(`ghl_token cannot be used: ${error.code}`)
    return ''
  }
}

function readSettings(given: unknown, problems: string[]): Readonly<ClientSettings> {
  if (given === null || given === undefined) return Object.freeze({})
  if (typeof given !== 'object' || Array.isArray(given)) {
    problems.push('settings is not an object')
    return Object.freeze({})
  }
  const known: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    // `constructor` and the like are properties of every object.
    const schema = Object.hasOwn(ClientSettings.properties, name)
      ? ClientSettings.properties[name as keyof ClientSettings]
      : undefined
    if (schema === undefined) problems.push(`settings.${name} is not known`)
    else if (value === null) continue
    else if (Value.Check(schema, value)) known[name] = value
    else
      problems.push(
        `settings.${name} ${Value.Errors(schema, value).First()?.message.toLowerCase() ?? 'does not fit'}`,
      )
  }
  return deepFreeze(known)
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
