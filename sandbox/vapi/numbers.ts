import { randomUUID } from 'node:crypto'
import { type TSchema, Type } from '@sinclair/typebox'
import { Refusal } from '../crm/errors.ts'
import { digits, oneOf, orNull, strict } from '../crm/validation.ts'
import type { VapiApp } from './app.ts'
import { dateFilters, isWithin, limitOf } from './calls.ts'

export interface VapiNumber {
  id: string
  provider: string
  orgId?: string
  number?: string
  createdAt?: string
  updatedAt?: string
  [other: string]: unknown
}

const PROVIDERS = ['byo-phone-number', 'twilio', 'vonage', 'vapi', 'telnyx'] as const
const text = Type.Optional(Type.String())

const backoffPlan = strict({
  type: oneOf(['fixed', 'exponential']),
  maxRetries: Type.Number({ minimum: 0, maximum: 10 }),
  baseDelaySeconds: Type.Number({ minimum: 0, maximum: 10 }),
  excludedStatusCodes: Type.Optional(Type.Array(Type.Number())),
})
const server = strict({
  url: text,
  headers: Type.Optional(Type.Record(Type.String(), Type.String())),
  timeoutSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 300 })),
  credentialId: text,
  staticIpAddressesEnabled: Type.Optional(Type.Boolean()),
  encryptedPaths: Type.Optional(Type.Array(Type.String())),
  backoffPlan: Type.Optional(backoffPlan),
})
const destination = Type.Object({
  type: oneOf(['number', 'sip']),
  number: Type.Optional(Type.String({ minLength: 3, maxLength: 40 })),
  message: Type.Optional(Type.Unknown()),
})
const shared = {
  name: Type.String({ maxLength: 40 }),
  server,
  fallbackDestination: destination,
  hooks: Type.Array(Type.Unknown()),
  assistantId: Type.String(),
  squadId: Type.String(),
  workflowId: Type.String(),
}
const twilio = {
  number: text,
  twilioAccountSid: text,
  twilioAuthToken: text,
  twilioApiKey: text,
  twilioApiSecret: text,
  smsEnabled: Type.Optional(Type.Boolean()),
}
const each = (make: (schema: TSchema) => TSchema) =>
  Object.fromEntries(Object.entries(shared).map(([name, schema]) => [name, Type.Optional(make(schema))]))

/** Creating: the forms of all providers in one, since only imports from Twilio are made here. */
const createBody = Type.Object(
  { provider: oneOf(PROVIDERS), numberDesiredAreaCode: text, ...twilio, ...each((schema) => schema) },
  { additionalProperties: false },
)
/** Changing: null clears. */
const updateBody = Type.Object(
  { provider: Type.Optional(oneOf(PROVIDERS)), ...twilio, ...each(orNull) },
  { additionalProperties: false },
)
const params = Type.Object({ id: Type.String({ format: 'uuid' }) })
const limit = Type.Optional(digits)
const pageQuery = strict({
  ...{ search: text, page: limit, limit },
  ...{ sortOrder: Type.Optional(oneOf(['ASC', 'DESC'])) },
  ...{ sortBy: Type.Optional(oneOf(['createdAt', 'duration', 'cost'])) },
  ...dateFilters,
})

/** Phone numbers: listed in both ways, imported from Twilio, changed and deleted. */
export function numberRoutes(app: VapiApp, now: () => Temporal.Instant) {
  const numbers: VapiNumber[] = []
  const timestamp = () => now().toString({ smallestUnit: 'millisecond' })

  const numberOf = (id: string): VapiNumber => {
    const found = numbers.find((entry) => entry.id === id)
    if (found === undefined) throw new Refusal(404, `PhoneNumber with id ${id} not found.`)
    return found
  }
  const byAge = (a: VapiNumber, b: VapiNumber) => String(a.createdAt).localeCompare(String(b.createdAt))

  const add = (number: VapiNumber) => {
    numbers.push({
      orgId: 'sandbox',
      status: 'active',
      createdAt: timestamp(),
      updatedAt: timestamp(),
      ...number,
    })
  }

  const listQuery = strict({ limit, ...dateFilters })
  app.get('/phone-number', { schema: { querystring: listQuery } }, ({ query }) =>
    numbers
      .filter((number) => isWithin(number, query))
      .toSorted((a, b) => byAge(b, a))
      .slice(0, limitOf(query.limit)),
  )

  app.get('/v2/phone-number', { schema: { querystring: pageQuery } }, ({ query }) => {
    const perPage = limitOf(query.limit)
    const page = Number(query.page ?? 1)
    if (page < 1) throw new Refusal(400, ['page must not be less than 1'])
    const wanted = numbers
      .filter((number) => isWithin(number, query))
      .toSorted((a, b) => (query.sortOrder === 'ASC' ? byAge(a, b) : byAge(b, a)))
    return {
      results: wanted.slice((page - 1) * perPage, page * perPage),
      metadata: { itemsPerPage: perPage, totalItems: wanted.length, currentPage: page },
    }
  })

  app.get('/phone-number/:id', { schema: { params } }, (request) => numberOf(request.params.id))

  app.post('/phone-number', { schema: { body: createBody } }, (request, reply) => {
    const { body } = request
    if (body.provider !== 'twilio') throw new Refusal(400, ['only numbers of Twilio can be imported here'])
    const missing = (['number', 'twilioAccountSid'] as const).filter((name) => !body[name])
    if (missing.length > 0)
      throw new Refusal(
        400,
        missing.map((name) => `${name} should not be empty`),
      )
    if (!body.twilioAuthToken && !(body.twilioApiKey && body.twilioApiSecret))
      throw new Refusal(400, 'Twilio credentials are missing.')
    if (numbers.some(({ number }) => number === body.number))
      throw new Refusal(400, `Existing phone number ${body.number} found.`)
    add({ id: randomUUID(), ...body })
    return reply.code(201).send(numbers.at(-1))
  })

  app.patch('/phone-number/:id', { schema: { params, body: updateBody } }, (request) => {
    const number = numberOf(request.params.id)
    if (request.body.provider && request.body.provider !== number.provider)
      throw new Refusal(400, 'provider cannot be changed')
    for (const [name, value] of Object.entries(request.body)) {
      if (value === null) delete number[name]
      else number[name] = value
    }
    number.updatedAt = timestamp()
    return number
  })

  app.delete('/phone-number/:id', { schema: { params } }, (request) => {
    const number = numberOf(request.params.id)
    numbers.splice(numbers.indexOf(number), 1)
    return number
  })

  return { numbers: numbers as readonly VapiNumber[], add }
}
