import {
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type Tool,
} from '@modelcontextprotocol/server'
import about from '../../package.json' with { type: 'json' }
import type { Gateway, ToolExchange } from './gateway.ts'
import type { Who } from './identity.ts'
import type { OwnTools } from './own-tools.ts'

/** Seconds a client may keep the list for; it is asked for at the start of each call anyway. */
const LIST_TTL_MS = 60_000

/** Tools as one caller sees them. */
export interface Toolset {
  list(): Promise<Tool[]>
  /** Undefined: there is no such tool. */
  call(
    name: string,
    args: Record<string, unknown>,
    exchange: ToolExchange,
  ): Promise<CallToolResult | undefined>
}

/** Ours and the CRM's behind one door; where both have a name, ours wins. */
export function toolsetFor(who: Who, own: OwnTools, gateway: Gateway): Toolset {
  const { client, upstreamOnly } = who
  return {
    async list() {
      const theirs = (await gateway.list(client)).filter(({ name }) => !own.has(name))
      return upstreamOnly ? theirs : [...own.list(client), ...theirs]
    },
    call: async (name, args, exchange) =>
      own.has(name) ? own.call(who, name, args) : gateway.call(client, name, args, exchange),
  }
}

/**
 * An MCP server for one request. Tools are all it has: no sessions, no subscriptions, nothing it would ask back.
 * The SDK's plain `Server` takes tools whose schemas are not known when it is made.
 */
export function createToolServer(tools: Toolset): Server {
  const server = new Server(
    { name: about.name, version: about.version },
    {
      capabilities: { tools: {} },
      // What is listed depends on the client, so no shared cache may hold it.
      cacheHints: { 'tools/list': { ttlMs: LIST_TTL_MS, cacheScope: 'private' } },
    },
  )
  server.setRequestHandler('tools/list', async () => ({ tools: await tools.list() }))
  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken
    const result = await tools.call(params.name, params.arguments ?? {}, {
      signal: mcpReq.signal,
      ...(progressToken !== undefined && {
        // A caller who has left hears nothing of it, and that is no failure.
        onProgress: (progress) =>
          void mcpReq
            .notify({ method: 'notifications/progress', params: { ...progress, progressToken } })
            .catch(() => {}),
      }),
    })
    if (result) return server.projectCallToolResult(result, undefined)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'Unknown tool')
  })
  return server
}
