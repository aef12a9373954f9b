import { randomUUID } from 'node:crypto'
import type { Resolution } from '../../../services/clients/resolver.ts'
import { type Harness, type TestClient, TOKEN } from '../../helper.ts'

export interface Use {
  name: string
  args?: unknown
  id?: string
}

export interface CallOptions {
  callId?: string
  /** Undefined: withheld. */
  caller?: string | undefined
}

export interface Result {
  name: string
  toolCallId: string
  result?: string
  error?: string
}

export const CALLER = '+12505550188'

/** A `tool-calls` message as VAPI sends it. */
export function toolMessage(client: Pick<TestClient, 'number'>, uses: Use[], options: CallOptions = {}) {
  const caller = 'caller' in options ? options.caller : CALLER
  const list = uses.map(({ name, args = {}, id = randomUUID() }) => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  }))
  return {
    message: {
      type: 'tool-calls',
      call: { id: options.callId ?? randomUUID() },
      phoneNumber: { number: client.number },
      ...(caller && { customer: { number: caller } }),
      toolCallList: list,
      toolWithToolCallList: list.map((call) => ({ ...call, toolCall: call })),
    },
  }
}

/** Sends several tool calls in one message; the results in order. */
export async function useAll(
  harness: Pick<Harness, 'webhook'>,
  client: Pick<TestClient, 'number'>,
  uses: Use[],
  options: CallOptions = {},
): Promise<Result[]> {
  const response = await harness.webhook(toolMessage(client, uses, options))
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
  return (response.json() as { results: Result[] }).results
}

/** One tool call in a message of its own. */
export async function use(
  harness: Pick<Harness, 'webhook'>,
  client: Pick<TestClient, 'number'>,
  name: string,
  args: unknown = {},
  options: CallOptions & { id?: string } = {},
): Promise<Result> {
  const [result] = await useAll(
    harness,
    client,
    [{ name, args, ...(options.id && { id: options.id }) }],
    options,
  )
  if (!result) throw new Error('no result')
  return result
}

/** A tool through the REST door. */
export async function rest(
  harness: Harness,
  tool: string,
  body: unknown,
  headers: Record<string, string> = {},
) {
  const response = await harness.app.inject({
    method: 'POST',
    url: `/tools/${tool}`,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return {
    status: response.statusCode,
    headers: response.headers,
    body: response.json() as Record<string, unknown>,
  }
}

/** Requests that reached the sandbox, as `POST /contacts/upsert`; ids of objects are shown as `:id`. */
export function requestsTo(harness: Pick<Harness, 'crm'>, since = 0): string[] {
  return harness.crm.exchanges
    .slice(since)
    .map(
      ({ request }) =>
        `${request.method} ${request.path.replace(/\/(?=[^/]*[A-Z0-9])[A-Za-z0-9]{15,}/g, '/:id')}`,
    )
}

export function written(harness: Pick<Harness, 'crm'>, kind: string, locationId?: string) {
  return harness.crm.ledger.filter(
    (entry) => entry.kind === kind && (locationId === undefined || entry.locationId === locationId),
  )
}

/** Where a client was found: `cache` means that it is in memory and will be there without database. */
export const sourceOf = (resolution: Resolution) => ('source' in resolution ? resolution.source : undefined)
