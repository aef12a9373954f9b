import type { Dispatcher } from 'undici'
import { record, text } from '../json.ts'
import type { Lanes } from '../lanes.ts'
import { createSender, operationOf, parseJson, UpstreamError, type UpstreamRequest } from '../upstream.ts'

const DEADLINE_MS = 8_000

/** A page of calls with their transcripts has some megabytes, and nobody on the phone waits for it. */
const CALLS_DEADLINE_MS = 30_000

/** The API's limit for a page, and what is asked for of numbers; calls are larger. */
const NUMBERS_A_PAGE = 1_000

/** Guards against a list that never ends: so many numbers no organisation has. */
const NUMBER_PAGES_MAX = 100

export interface VapiOptions {
  baseUrl: string
  /** The private key; without it nothing can be asked. */
  apiKey: string | undefined
  dispatcher: Dispatcher
  /** Without them each request goes straight, as a command's few may. */
  lanes?: Pick<Lanes, 'run'>
}

/** A phone number as VAPI has it. It holds credentials (Twilio's, if imported with them): never logged or shown whole. */
export interface VapiNumber {
  readonly id: string
  /** As VAPI wrote it, usually E.164; undefined for SIP addresses. */
  readonly number: string | undefined
  readonly name: string | undefined
  /** With one of these set, VAPI asks nobody who answers. */
  readonly assistantId: string | undefined
  readonly squadId: string | undefined
  readonly workflowId: string | undefined
  /** Where the number's webhooks go. */
  readonly server: Readonly<Record<string, unknown>> | undefined
  /** Who takes a call that this server could not answer. */
  readonly fallbackDestination: Readonly<Record<string, unknown>> | undefined
  /** What VAPI does by itself before it asks anybody, such as forwarding. */
  readonly hooks: readonly unknown[]
  /** `active`, `activating` or `blocked` */
  readonly status: string | undefined
}

/** A call as VAPI has it (`Call` of its API): read defensively. */
export type VapiCall = Readonly<Record<string, unknown>> & { readonly id: string }

export interface CallFilter {
  /** Included. */
  updatedFrom: Temporal.Instant
  /** Not included. */
  updatedBefore: Temporal.Instant
  /** 1 to 1,000 */
  limit: number
}

/** The VAPI api. Everything throws UpstreamError. */
export function createVapiApi({ baseUrl, apiKey, dispatcher, lanes }: VapiOptions) {
  const senderWith = (deadlineMs: number) => {
    const sender = createSender({ baseUrl, dispatcher, deadlineMs })
    return async (request: UpstreamRequest) => {
      if (apiKey !== undefined) return sender(request)
      throw new UpstreamError(operationOf(request), 'there is no key', { outcome: 'none' })
    }
  }
  const sender = senderWith(DEADLINE_MS)
  // One lane for all: it is the same account whoever's call it is.
  const send = async (request: UpstreamRequest) => {
    const passage = { key: '', operation: operationOf(request), signal: request.signal }
    return lanes ? lanes.run(passage, () => sender(request)) : sender(request)
  }
  const sendLong = senderWith(CALLS_DEADLINE_MS)
  const headers = { authorization: `Bearer ${apiKey}` }

  /** The JSON of an answer; a redirect is followed by nobody. */
  async function ask(request: Omit<UpstreamRequest, 'headers'>, by = send): Promise<unknown> {
    const { status, text } = await by({ ...request, headers })
    const value = status < 300 ? parseJson(text) : undefined
    if (typeof value === 'object' && value !== null) return value
    throw new UpstreamError(`${request.method} ${request.path.split('/')[1]}`, 'the answer cannot be read', {
      status,
      outcome: request.method === 'GET' ? 'none' : 'unknown',
    })
  }

  async function number(request: Omit<UpstreamRequest, 'headers'>): Promise<VapiNumber> {
    const [found] = readNumbers([await ask(request)])
    if (found) return found
    throw new UpstreamError(`${request.method} phone-number`, 'no number in the answer', {
      outcome: 'unknown',
    })
  }

  return {
    configured: apiKey !== undefined,

    /** All phone numbers of the organisation, page by page. */
    async numbers(signal: AbortSignal): Promise<VapiNumber[]> {
      const found = new Map<string, VapiNumber>()
      for (let page = 1; page <= NUMBER_PAGES_MAX; page += 1) {
        const query = { page, limit: NUMBERS_A_PAGE, sortBy: 'createdAt', sortOrder: 'ASC' }
        const answer = record(await ask({ method: 'GET', path: '/v2/phone-number', query, signal }))
        const results = Array.isArray(answer.results) ? answer.results : []
        for (const each of readNumbers(results)) found.set(each.id, each)
        // Counted by what came, not by what was asked for: a page may hold less than that.
        const { totalPages, totalItems, hasNextPage } = record(answer.metadata)
        const more = typeof totalPages === 'number' ? page < totalPages : found.size < Number(totalItems ?? 0)
        if (results.length === 0 || !(hasNextPage ?? more)) break
      }
      return [...found.values()]
    },

    /** Adds a number; `body` is a `Create…PhoneNumberDTO`. */
    createNumber: (body: Record<string, unknown>, signal: AbortSignal) =>
      number({ method: 'POST', path: '/phone-number', body, signal }),

    /** Changes what `body` names; null clears. */
    updateNumber: (id: string, body: Record<string, unknown>, signal: AbortSignal) =>
      number({ method: 'PATCH', path: `/phone-number/${encodeURIComponent(id)}`, body, signal }),

    /**
     * Calls that were last changed in a span of time, at most `limit` of them, in no order that could be relied on.
     * A call is changed when it ends, and again when its analysis is done.
     */
    async calls({ updatedFrom, updatedBefore, limit }: CallFilter, signal: AbortSignal): Promise<VapiCall[]> {
      const query = {
        updatedAtGe: inMilliseconds(updatedFrom),
        updatedAtLt: inMilliseconds(updatedBefore),
        limit,
      }
      const answer = await ask({ method: 'GET', path: '/call', query, signal }, sendLong)
      if (!Array.isArray(answer))
        throw new UpstreamError('GET /call', 'no list in the answer', { status: 200, outcome: 'none' })
      return answer.filter((call) => text(record(call).id) !== undefined)
    },

    /** Removes VAPI's copy of a call with its recordings. One that is not there, or no longer, is no failure. */
    async deleteCall(callId: string, signal: AbortSignal): Promise<void> {
      const path = `/call/${encodeURIComponent(callId)}`
      // The API wants a body; named in it, several calls would be deleted.
      await send({ method: 'DELETE', path, headers, body: {}, signal }).catch((error: unknown) => {
        if (!(error instanceof UpstreamError) || error.status !== 404) throw error
      })
    },

    /** A fresh, short-lived address of a call's recording: VAPI answers 302 with it. */
    async recordingUrl(callId: string, signal: AbortSignal): Promise<string> {
      const path = `/call/${encodeURIComponent(callId)}/mono-recording`
      const { status, headers: answer } = await send({ method: 'GET', path, headers, signal })
      const location = answer.location
      if (status < 300 || typeof location !== 'string' || !/^https?:\/\//.test(location)) {
        throw new UpstreamError('GET /call/:id/mono-recording', 'no address in the answer', {
          status: 502,
          outcome: 'none',
        })
      }
      return location
    },
  }
}

export type VapiApi = ReturnType<typeof createVapiApi>

/** VAPI keeps milliseconds; more digits than that are refused by some readers of ISO 8601. */
const inMilliseconds = (at: Temporal.Instant) => at.toString({ smallestUnit: 'millisecond' })

function readNumbers(values: readonly unknown[]): VapiNumber[] {
  return values.flatMap((value) => {
    const given = record(value)
    const id = text(given.id)
    if (!id) return []
    const object = (field: string) => (given[field] ? record(given[field]) : undefined)
    return {
      id,
      number: text(given.number),
      name: text(given.name),
      assistantId: text(given.assistantId),
      squadId: text(given.squadId),
      workflowId: text(given.workflowId),
      server: object('server'),
      fallbackDestination: object('fallbackDestination'),
      hooks: Array.isArray(given.hooks) ? given.hooks : [],
      status: text(given.status),
    }
  })
}
