import type { IncomingHttpHeaders } from 'node:http'
import { createMcpHandler, type McpServerFactory } from '@modelcontextprotocol/server'
import { batchRefusal } from './json-rpc.ts'
import { plainAnswer, plainCallIn } from './plain-call.ts'
import { createToolServer, type Toolset } from './server.ts'

/** Streams that wait for changes of which there are none; some callers open one by habit. */
const LISTENERS_MAX = 100

export interface DoorOptions<Who> {
  toolsFor: (who: Who) => Toolset
  log: { debug(facts: object, message: string): void }
}

/** A request as it came. */
export interface Asked {
  headers: IncomingHttpHeaders
  /** Parsed. */
  body: unknown
  /** Aborted when the caller leaves. */
  signal: AbortSignal
  /** The same for the SDK. */
  toRequest: () => Promise<Request>
}

/**
 * Streamable HTTP without sessions, for the revisions with a handshake and for 2026-07-28: what a request means is
 * told by its body and headers alone, so any instance can answer it.
 */
export function createMcpDoor<Who>({ toolsFor, log }: DoorOptions<Who>) {
  const factory: McpServerFactory = ({ authInfo }) => createToolServer(authInfo?.extra?.tools as Toolset)
  const onerror = (error: Error) => log.debug({ err: error }, 'MCP')
  const serving = createMcpHandler(factory, { onerror })
  // Apart from the others, so that they can be ended while those finish: closing ends all that a handler serves.
  const listening = createMcpHandler(factory, { onerror, maxSubscriptions: LISTENERS_MAX })

  async function serveWith(tools: Toolset, { body, toRequest }: Asked): Promise<Response> {
    const handler = methodOf(body) === 'subscriptions/listen' ? listening : serving
    return handler.fetch(await toRequest(), {
      parsedBody: body,
      // The SDK hands this on untouched. The credential has done its work and goes no further.
      authInfo: { token: '', clientId: '', scopes: [], extra: { tools } },
    })
  }

  return {
    /** The response, or the events that are all of it. */
    async serve(asked: Asked, who: Who): Promise<Response | string> {
      if (Array.isArray(asked.body)) return batchRefusal()
      const tools = toolsFor(who)
      // For each request the SDK makes a server, a transport, a Request and two streams, which is more than all else
      // that a call takes. Nearly all calls are plain, and what is said of them is known without.
      const call = plainCallIn(asked.headers, asked.body)
      if (!call) return serveWith(tools, asked)
      const called = tools.call(call.name, call.args, { signal: asked.signal })
      const result = await called.catch(() => undefined)
      const answer = result && plainAnswer(call.id, result)
      // Whatever else came of it is told by the SDK; the call has been made and is not made again.
      return answer ?? serveWith({ ...tools, call: () => called }, asked)
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
