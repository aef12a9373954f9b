import type { CallToolResult, Progress, Tool } from '@modelcontextprotocol/server'
import type { Dispatcher } from 'undici'
import { exchange } from '../exchange.ts'
import type { Governor } from '../ghl/governor.ts'
import { neverLeft, UpstreamError } from '../upstream.ts'
import { type Answer, createAnswerReader, PROGRESS_TOKEN, REQUEST_ID } from './answer.ts'
import type { MessageReader } from './sse.ts'

/** GHL's server holds no session and wants no handshake; this is the revision it was seen to speak. */
const PROTOCOL_VERSION = '2025-06-18'
/** Pages of tools read at most: GHL has one, and a cursor that never ends must not hold us. */
const PAGES_MAX = 20

/** Whose account it is, and nothing else of the client. */
export interface UpstreamAccount {
  readonly clientId: string
  readonly token: string
  readonly locationId: string
}

export interface UpstreamOptions {
  url: string
  dispatcher: Dispatcher
  governor: Governor
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
export function createUpstream({ url, dispatcher, governor }: UpstreamOptions) {
  const address = new URL(url)

  /** Answers as soon as the answer is there; the rest is read to its end, so that the connection can be used again. */
  async function ask(
    { locationId }: UpstreamAccount,
    token: string,
    { method, params, operation }: { method: string; params: Record<string, unknown>; operation: string },
    { signal, deadlineMs, onProgress }: Exchange,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const asked = {
      url: address,
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        locationid: locationId,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': PROTOCOL_VERSION,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: REQUEST_ID, method, params }),
      signal,
      deadlineMs,
    } as const
    let reader: MessageReader | undefined
    exchange(dispatcher, asked, (status, headers) => {
      if (status !== 200) return void reject(refusal(operation, status, headers['retry-after']))
      reader = createAnswerReader(String(headers['content-type']), resolve, onProgress)
      return reader.feed
    })
      .then(() => reader?.end())
      .then(() => reject(new Error('the answer ended before it was complete')), reject)
    try {
      return await promise
    } catch (error) {
      if (error instanceof UpstreamError) throw error
      const outcome = neverLeft(error) ? 'none' : 'unknown'
      throw new UpstreamError(operation, 'no answer', { outcome, cause: error })
    }
  }

  async function send(
    account: UpstreamAccount,
    method: string,
    params: Record<string, unknown>,
    how: Exchange,
  ): Promise<unknown> {
    const operation = `MCP ${method}`
    const answer = await governor.send('mcp', { ...account, signal: how.signal }, operation, (token) =>
      ask(account, token, { method, params, operation }, how),
    )
    if (answer.error === undefined) return answer.result
    // The server lives and says so: it is this request that went wrong.
    throw new UpstreamError(operation, `JSON-RPC error ${answer.error.code}`, {
      status: answer.error.code === -32_603 ? 500 : 400,
      outcome: 'unknown',
    })
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

function refusal(operation: string, status: number, retryAfter: string | string[] | undefined) {
  const seconds = Number(retryAfter)
  return new UpstreamError(operation, `status ${status}`, {
    status,
    outcome: status >= 500 ? 'unknown' : 'none',
    ...(seconds > 0 && { retryAfterSeconds: seconds }),
  })
}

function isTool(tool: unknown): tool is Tool {
  const { name, inputSchema } = (tool ?? {}) as Partial<Tool>
  return typeof name === 'string' && name !== '' && typeof inputSchema === 'object' && inputSchema !== null
}
