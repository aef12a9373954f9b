import { createMcpHandler, type McpServerFactory } from '@modelcontextprotocol/server'
import { batchRefusal } from './json-rpc.ts'

/** Streams that wait for changes of which there are none; some callers open one by habit. */
const LISTENERS_MAX = 100

export interface DoorOptions<Who> {
  /** A fresh server for each request. */
  serverFor: (who: Who) => ReturnType<McpServerFactory>
  log: { debug(facts: object, message: string): void }
}

/**
 * Streamable HTTP without sessions, for the revisions with a handshake and for 2026-07-28: what a request means is
 * told by its body and headers alone, so any instance can answer it.
 */
export function createMcpDoor<Who>({ serverFor, log }: DoorOptions<Who>) {
  const factory: McpServerFactory = ({ authInfo }) => serverFor(authInfo?.extra?.who as Who)
  const onerror = (error: Error) => log.debug({ err: error }, 'MCP')
  const serving = createMcpHandler(factory, { onerror })
  // Apart from the others, so that they can be ended while those finish: closing ends all that a handler serves.
  const listening = createMcpHandler(factory, { onerror, maxSubscriptions: LISTENERS_MAX })

  return {
    /** `body` is the request's body, parsed. */
    async serve(request: Request, body: unknown, who: Who): Promise<Response> {
      if (Array.isArray(body)) return batchRefusal()
      const handler = methodOf(body) === 'subscriptions/listen' ? listening : serving
      return handler.fetch(request, {
        parsedBody: body,
        // The SDK hands this on untouched. The credential has done its work and goes no further.
        authInfo: { token: '', clientId: '', scopes: [], extra: { who } },
      })
    },

    /** Ends the streams that would stay open for ever. */
    endListeners: () => listening.close(),

    async close() {
      await Promise.all([listening.close(), serving.close()])
    },
  }
}

export type McpDoor<Who> = ReturnType<typeof createMcpDoor<Who>>

const METHODS = new Set([
  'initialize',
  'notifications/initialized',
  'notifications/cancelled',
  'ping',
  'server/discover',
  'subscriptions/listen',
  'tools/call',
  'tools/list',
])

function methodOf(body: unknown): string {
  const method = (body as { method?: unknown } | null | undefined)?.method
  return typeof method === 'string' && METHODS.has(method) ? method : 'other'
}

/** What a request does, for the log: one of a few known words, never text from outside. */
export const operationOf = (body: unknown) => `mcp.${methodOf(body)}`
