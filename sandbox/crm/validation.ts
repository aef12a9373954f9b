import { type Static, type TSchema, Type } from '@sinclair/typebox'
import type { FastifyError, FastifyServerOptions } from 'fastify'
import { unprocessable } from './errors.ts'

type Complaint = NonNullable<FastifyError['validation']>[number] & { parentSchema?: { says?: string } }

/**
 * GoHighLevel's DTOs are strict and report everything at once, so nothing is removed, coerced or filled in.
 * `says` is our own keyword: what a failed pattern is called in the answer.
 */
export const ajvOptions: NonNullable<FastifyServerOptions['ajv']> = {
  customOptions: {
    allErrors: true,
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: false,
    verbose: true,
    allowUnionTypes: true,
    keywords: ['says'],
  },
}

const TYPE_TEXT: Readonly<Record<string, string>> = {
  string: 'must be a string',
  number: 'must be a number conforming to the specified constraints',
  integer: 'must be an integer number',
  boolean: 'must be a boolean value',
  array: 'must be an array',
  object: 'must be an object',
}

function complaintText(complaint: Complaint): string {
  const path = complaint.instancePath.split('/').slice(1).join('.')
  const within = path === '' ? '' : `${path}.`
  const { params } = complaint
  switch (complaint.keyword) {
    case 'additionalProperties':
      return `${within}property ${params.additionalProperty} should not exist`
    case 'required':
      return `${within}${params.missingProperty} should not be empty`
    case 'type':
      return `${path || 'body'} ${TYPE_TEXT[String(params.type)] ?? `must be ${params.type}`}`
    case 'enum':
      return `${path} must be one of the following values: ${(params.allowedValues as unknown[]).join(', ')}`
    case 'pattern':
      return `${path} ${complaint.parentSchema?.says ?? 'is not valid'}`
    case 'minLength':
    case 'minItems':
      return `${path} should not be empty`
    case 'maxLength':
      return `${path} must be shorter than or equal to ${params.limit} characters`
    case 'minimum':
      return `${path} must not be less than ${params.limit}`
    case 'maximum':
      return `${path} must not be greater than ${params.limit}`
    default:
      return `${path} ${complaint.message ?? 'is not valid'}`
  }
}

/** The list a 422 answer carries, e.g. `['property foo should not exist']`. */
export const complaintTexts = (complaints: readonly Complaint[]): string[] => [
  ...new Set(complaints.map(complaintText)),
]

/** An object that refuses properties it does not name. */
export const strict = <T extends Record<string, TSchema>>(properties: T) =>
  Type.Object(properties, { additionalProperties: false })

export const orNull = <T extends TSchema>(schema: T) =>
  Type.Unsafe<Static<T> | null>({ ...schema, nullable: true })

export const oneOf = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values] })

export const email = Type.String({ pattern: '^[^\\s@]+@[^\\s@]+\\.[^\\s@]+$', says: 'must be an email' })

export const phone = Type.String({
  pattern: '^\\+?[\\d\\s().-]{5,}$',
  says: 'must be a valid phone number',
})

export const someText = Type.String({ minLength: 1 })

/** Query values arrive as text. */
export const digits = Type.String({
  pattern: '^\\d+$',
  says: 'must be a number conforming to the specified constraints',
})

/** A date-time with its offset; what Temporal then makes of it is checked by the handler. */
export const isoTime = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?(Z|[+-]\\d{2}:\\d{2})$',
  says: 'must be a valid ISO 8601 date string',
})

export function isTimeZone(name: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name)
    return true
  } catch {
    return false
  }
}

/** A count of seconds would be taken for a day in January 1970, and the answer would be no slots instead of an error. */
export function epochMillis(text: string, name: string): Temporal.Instant {
  if (!/^\d{12,14}$/.test(text)) throw unprocessable(`${name} must be in epoch milliseconds`)
  return Temporal.Instant.fromEpochMilliseconds(Number(text))
}
