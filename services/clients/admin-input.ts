import { Kind, type Static, type TSchema } from '@sinclair/typebox'
import { Value, type ValueError, ValueErrorType } from '@sinclair/typebox/value'
import { ClientChangeBody, NewClientBody } from '../../schemas/admin.ts'
import { type AppError, invalid } from '../errors.ts'
import { toE164 } from '../phone.ts'
import { isZone } from '../time.ts'

/**
 * What an operator wrote of a new client, checked and normalised.
 * @throws AppError INVALID_INPUT naming the field, such as `settings.hours`
 */
export function readNewClient(body: unknown): NewClientBody {
  return normalised(check(NewClientBody, body))
}

/**
 * What an operator wrote of a change; only what is named in it changes.
 * @throws AppError INVALID_INPUT naming the field
 */
export function readClientChange(body: unknown): ClientChangeBody {
  const change = normalised(check(ClientChangeBody, body) as ClientChangeBody)
  if (Object.keys(change).length === 0) throw invalid('', 'The body changes nothing')
  return change
}

function check<T extends TSchema>(schema: T, value: unknown): Static<T> {
  const error = Value.Errors(schema, value).First()
  if (error) throw fault(error)
  return structuredClone(value) as Static<T>
}

function normalised<T extends ClientChangeBody>(client: T): T {
  const { client_name, twilio_number, timezone, settings } = client
  if (client_name !== undefined) client.client_name = client_name.replace(/\s+/gu, ' ').trim()
  if (twilio_number !== undefined) {
    const number = toE164(twilio_number)
    if (!number) throw invalid('twilio_number', 'twilio_number is not a phone number')
    client.twilio_number = number
  }
  if (timezone !== undefined) {
    if (!isZone(timezone)) throw invalid('timezone', 'timezone is not an IANA zone, such as America/New_York')
    // As the zone is written, in whatever case it was typed.
    client.timezone = Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timezone).timeZoneId
  }
  if (settings?.transfer_number && toE164(settings.transfer_number) !== settings.transfer_number)
    throw invalid('settings.transfer_number', 'settings.transfer_number is not a phone number in E.164')
  return client
}

function fault({ type, schema, path, value }: ValueError): AppError {
  const field = path.split('/').slice(1).join('.')
  if (Array.isArray(schema.anyOf)) return unfit(schema.anyOf, value, path, field)
  const say = WORDING[type]
  return wrong(field, say ? say(schema) : 'does not fit')
}

/** Of a value that may be one of several things, what is wrong with the one that it is meant to be. */
function unfit(anyOf: TSchema[], value: unknown, path: string, field: string): AppError {
  const variants = anyOf.filter((variant) => variant[Kind] !== 'Null')
  if (variants.every(isLiteral)) return wrong(field, oneOf(variants))
  const found = variants.map((variant) => [...Value.Errors(variant, value)])
  // What it is meant to be stands in a property such as `provider`, of which each variant takes one value.
  const meant = found.find((errors) => !errors.some(({ schema }) => isLiteral(schema)))?.[0]
  if (meant) return fault({ ...meant, path: path + meant.path })
  const named = found.flatMap((errors) => errors.find(({ schema }) => isLiteral(schema)) ?? [])
  const name = named[0]?.path.slice(1)
  return wrong(`${field}.${name}`, oneOf(named.map(({ schema }) => schema)))
}

const isLiteral = (schema: TSchema) => schema[Kind] === 'Literal'
const oneOf = (literals: TSchema[]) =>
  `must be one of ${literals.map(({ const: value }) => value).join(', ')}`
const wrong = (field: string, what: string) => invalid(field, `${field || 'The body'} ${what}`)

const WORDING: Partial<Record<ValueErrorType, (schema: TSchema) => string>> = {
  [ValueErrorType.Array]: () => 'must be a list',
  [ValueErrorType.ArrayMaxItems]: ({ maxItems }) => `must have at most ${maxItems} items`,
  [ValueErrorType.Boolean]: () => 'must be true or false',
  [ValueErrorType.Integer]: () => 'must be a whole number',
  [ValueErrorType.IntegerMaximum]: ({ maximum }) => `must be at most ${maximum}`,
  [ValueErrorType.IntegerMinimum]: ({ minimum }) => `must be at least ${minimum}`,
  [ValueErrorType.Number]: () => 'must be a number',
  [ValueErrorType.NumberMaximum]: ({ maximum }) => `must be at most ${maximum}`,
  [ValueErrorType.NumberMinimum]: ({ minimum }) => `must be at least ${minimum}`,
  [ValueErrorType.Object]: () => 'must be an object',
  [ValueErrorType.ObjectAdditionalProperties]: () => 'is not known',
  [ValueErrorType.ObjectRequiredProperty]: () => 'is required',
  [ValueErrorType.String]: () => 'must be text',
  [ValueErrorType.StringMaxLength]: ({ maxLength }) => `must have at most ${maxLength} characters`,
  [ValueErrorType.StringMinLength]: () => 'must not be empty',
  [ValueErrorType.StringPattern]: ({ description }) =>
    `does not fit${description ? ` (${description})` : ''}`,
}
