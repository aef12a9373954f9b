import { randomBytes } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import { Refusal } from '../crm/errors.ts'
import { digits, strict } from '../crm/validation.ts'
import type { VapiApp } from './app.ts'

export interface VapiCall {
  id: string
  orgId?: string
  /** ISO 8601; now when left out. */
  createdAt?: string
  updatedAt?: string
  [other: string]: unknown
}

export interface CallRoutesOptions {
  now: () => Temporal.Instant
  /** Where the recordings' links point to. */
  url: () => string
  /** How long a recording's address stays good. */
  linkSeconds: number
}

const PAGE_DEFAULT = '100'
const PAGE_MAX = 1000

const DATE_FILTERS = {
  Gt: (order: number) => order > 0,
  Ge: (order: number) => order >= 0,
  Lt: (order: number) => order < 0,
  Le: (order: number) => order <= 0,
} as const

const text = Type.Optional(Type.String())

/** Spans of time that every list of this API can be narrowed to. */
export const dateFilters = {
  ...{ createdAtGt: text, createdAtGe: text, createdAtLt: text, createdAtLe: text },
  ...{ updatedAtGt: text, updatedAtGe: text, updatedAtLt: text, updatedAtLe: text },
}
const listQuery = strict({
  ...{ id: text, assistantId: text, phoneNumberId: text, limit: Type.Optional(digits) },
  ...dateFilters,
})
const callParams = Type.Object({ id: Type.String() })
const deleteBody = strict({ ids: Type.Optional(Type.Array(Type.String())) })
const recordingParams = Type.Object({ id: Type.String(), kind: Type.String() })

function instant(value: string, name: string): Temporal.Instant {
  try {
    return Temporal.Instant.from(value)
  } catch {
    throw new Refusal(400, [`${name} must be a valid ISO 8601 date string`])
  }
}

/** Whether a row lies within the spans of time a query names. */
export function isWithin(row: Readonly<Record<string, unknown>>, query: Readonly<Record<string, unknown>>) {
  for (const field of ['createdAt', 'updatedAt'] as const) {
    for (const [suffix, holds] of Object.entries(DATE_FILTERS)) {
      const limit = query[field + suffix]
      if (typeof limit !== 'string') continue
      const order = Temporal.Instant.compare(
        instant(String(row[field]), field),
        instant(limit, field + suffix),
      )
      if (!holds(order)) return false
    }
  }
  return true
}

/** The limit of a list; VAPI's own is 100, and 1,000 at most. */
export function limitOf(limit: string = PAGE_DEFAULT): number {
  if (Number(limit) > PAGE_MAX) throw new Refusal(400, [`limit must not be greater than ${PAGE_MAX}`])
  return Number(limit)
}

/** Calls: listed, read, deleted, and their recordings, handed out as a redirect to an address that soon expires. */
export function callRoutes(app: VapiApp, { now, url, linkSeconds }: CallRoutesOptions) {
  const calls: VapiCall[] = []
  const recordings = new Map<string, Uint8Array>()
  const links = new Map<string, string>()

  const callOf = (id: string): VapiCall => {
    const call = calls.find((each) => each.id === id)
    if (call === undefined) throw new Refusal(404, `Call with id ${id} not found.`)
    return call
  }
  const remove = (call: VapiCall) => {
    calls.splice(calls.indexOf(call), 1)
    recordings.delete(call.id)
  }

  app.get('/call', { schema: { querystring: listQuery } }, (request) => {
    const { limit, ...query } = request.query
    const most = limitOf(limit)
    return calls
      .filter((call) =>
        (['id', 'assistantId', 'phoneNumberId'] as const).every(
          (field) => query[field] === undefined || call[field] === query[field],
        ),
      )
      .filter((call) => isWithin(call, query))
      .toSorted((a, b) => String(b.createdAt).localeCompare(String(a.createdAt)))
      .slice(0, most)
  })

  app.get('/call/:id', { schema: { params: callParams } }, (request) => callOf(request.params.id))

  app.delete('/call/:id', { schema: { params: callParams, body: deleteBody } }, (request) => {
    const { ids } = request.body
    // Named in the body, the one in the path counts for nothing.
    const call = callOf(ids?.[0] ?? request.params.id)
    if (ids) for (const each of calls.filter(({ id }) => ids.includes(id))) remove(each)
    else remove(call)
    return call
  })

  app.get(
    '/call/:id/:kind(^mono|stereo)-recording',
    { schema: { params: recordingParams } },
    (request, reply) => {
      const call = callOf(request.params.id)
      if (!recordings.has(call.id)) throw new Refusal(404, 'Recording not found.')
      const name = `${randomBytes(16).toString('hex')}.wav`
      links.set(name, call.id)
      const expires = Math.floor(now().add({ seconds: linkSeconds }).epochMilliseconds / 1000)
      return reply.redirect(`${url()}/storage/${name}?expires=${expires}`, 302)
    },
  )

  app.get(
    '/storage/:name',
    { schema: { params: Type.Object({ name: Type.String() }), querystring: strict({ expires: digits }) } },
    (request, reply) => {
      const bytes = recordings.get(links.get(request.params.name) ?? '')
      if (bytes === undefined) throw new Refusal(404, 'The specified key does not exist.')
      if (now().epochMilliseconds > Number(request.query.expires) * 1000)
        throw new Refusal(403, 'Request has expired')
      return reply.type('audio/wav').send(Buffer.from(bytes))
    },
  )

  return {
    calls: calls as readonly VapiCall[],
    add(call: VapiCall, recording: Uint8Array | false) {
      const at = now().toString({ smallestUnit: 'millisecond' })
      calls.push({ orgId: 'sandbox', createdAt: at, updatedAt: call.createdAt ?? at, ...call })
      if (recording !== false) recordings.set(call.id, recording)
    },
  }
}
