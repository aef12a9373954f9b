/** Failures on the MCP path in the words of JSON-RPC. */

const PARSE_ERROR = -32_700
const INVALID_REQUEST = -32_600
const INTERNAL_ERROR = -32_603
/** "Server error": what the official SDK uses for refusals that JSON-RPC has no number for. */
const REFUSED = -32_000

export interface Failure {
  status: number
  /** From our catalogue, or Fastify's. */
  code: string
  title: string
  detail?: string | undefined
}

/** Bodies that are not JSON at all, as Fastify and its parser call them. */
const UNREADABLE = /JSON|SYNTAX|EMPTY|CONTENT_LENGTH/i

export function jsonRpcFailure(failure: Failure, body: unknown, requestId: string) {
  return {
    jsonrpc: '2.0' as const,
    error: {
      code: numberOf(failure),
      message: failure.detail ? `${failure.title} ${failure.detail}` : failure.title,
      data: { code: failure.code, requestId },
    },
    id: idOf(body),
  }
}

/** JSON-RPC's batches are gone since 2025-06-18, and an answer to one could not be told apart by client or call. */
export function batchRefusal(): Response {
  const error = { code: INVALID_REQUEST, message: 'Batches are not supported: send one message a request.' }
  return Response.json({ jsonrpc: '2.0', error, id: null }, { status: 400 })
}

function numberOf({ status, code }: Failure): number {
  if (status === 400) return UNREADABLE.test(code) ? PARSE_ERROR : INVALID_REQUEST
  return status === 500 ? INTERNAL_ERROR : REFUSED
}

/** The id of the request that failed, where the body has come and has one. */
function idOf(body: unknown): string | number | null {
  const id = (body as { id?: unknown } | null | undefined)?.id
  return typeof id === 'string' || typeof id === 'number' ? id : null
}
