import type { CallToolResult, Progress, Tool } from '@modelcontextprotocol/server'
import { type Dispatcher, request } from 'undici'
import { neverLeft, UpstreamError } from '../upstream.ts'
import { answerIn, PROGRESS_TOKEN, REQUEST_ID } from './answer.ts'

/** GHL's server holds no session and wants no handshake; this is the revision it was seen to speak. */
const PROTOCOL_VERSION = '2025-06-18'
/** Pages of tools read at most: GHL has one, and a cursor that never ends must not hold us. */
const PAGES_MAX = 20

/** Whose account it is, and nothing else of the client. */
export interface UpstreamAccount {
  readonly token: string
  readonly locationId: string
}

export interface UpstreamOptions {
  url: string
  dispatcher: Dispatcher
}

export interface Exchange {
  /** Ends the request; with it the connection to the upstream. */
  signal: AbortSignal
  /** Milliseconds, from connecting to the answer. */
  deadlineMs: number
  /** Told of progress as it comes; without it none is asked for. */
  onProgress?: ((progress: Progress) => void) | undefined
}

/**
 * GHL's MCP server as a client sees it. Each request stands for itself: its headers are made here, from the
 * account alone, so nothing that a caller sends can be among them. Redirects are not followed.
 * Everything throws UpstreamError.
 */
export function createUpstream({ url, dispatcher }: UpstreamOptions) {
  async function send(
    account: UpstreamAccount,
    method: string,
    params: Record<string, unknown>,
    { signal, deadlineMs, onProgress }: Exchange,
  ): Promise<unknown> {
    const operation = `MCP ${method}`
    try {
      const response = await request(url, {
        method: 'POST',
        dispatcher,
        signal: AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]),
        headers: {
          authorization: `Bearer ${account.token}`,
          locationid: account.locationId,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': PROTOCOL_VERSION,
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: REQUEST_ID, method, params }),
      })
      const { statusCode: status, body } = response
      if (status !== 200) {
        body.dump().catch(() => {})
        const seconds = Number(response.headers['retry-after'])
        throw new UpstreamError(operation, `status ${status}`, {
          status,
          outcome: status >= 500 ? 'unknown' : 'none',
          ...(seconds > 0 && { retryAfterSeconds: seconds }),
        })
      }
      const answer = await answerIn(body, String(response.headers['content-type']), onProgress)
      if (answer.error === undefined) return answer.result
      throw new UpstreamError(operation, `JSON-RPC error ${answer.error.code}`, {
        status: answer.error.code === -32_603 ? 500 : 400,
        outcome: 'unknown',
      })
    } catch (error) {
      if (error instanceof UpstreamError) throw error
      const outcome = neverLeft(error) ? 'none' : 'unknown'
      throw new UpstreamError(operation, 'no answer', { outcome, cause: error })
    }
  }

  return {
    /** All tools that this account is shown. */
    async list(account: UpstreamAccount, exchange: Exchange): Promise<Tool[]> {
      const tools: Tool[] = []
      let cursor: unknown
      for (let page = 0; page < PAGES_MAX; page += 1) {
        const result = (await send(account, 'tools/list', cursor ? { cursor } : {}, exchange)) as {
          tools?: unknown
          nextCursor?: unknown
        } | null
        if (!Array.isArray(result?.tools))
          throw new UpstreamError('MCP tools/list', 'no tools', { outcome: 'unknown' })
        tools.push(...result.tools.filter(isTool))
        cursor = result.nextCursor
        if (!cursor) break
      }
      return tools
    },

    async call(
      account: UpstreamAccount,
      name: string,
      args: Record<string, unknown>,
      exchange: Exchange,
    ): Promise<CallToolResult> {
      const meta = exchange.onProgress && { _meta: { progressToken: PROGRESS_TOKEN } }
      const result = await send(account, 'tools/call', { name, arguments: args, ...meta }, exchange)
      const { content } = (result ?? {}) as { content?: unknown }
      if (Array.isArray(content)) return result as CallToolResult
      throw new UpstreamError('MCP tools/call', 'no content', { outcome: 'unknown' })
    },
  }
}

export type Upstream = ReturnType<typeof createUpstream>

function isTool(tool: unknown): tool is Tool {
  const { name, inputSchema } = (tool ?? {}) as Partial<Tool>
  return typeof name === 'string' && name !== '' && typeof inputSchema === 'object' && inputSchema !== null
}
