import type { IncomingHttpHeaders } from 'node:http'
import { type CallToolResult, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/server'

/** Use of a tool in the form that assistants send: with nothing to say but its name and its arguments. */
export interface PlainCall {
  readonly id: string | number
  readonly name: string
  readonly args: Record<string, unknown>
}

/** Those with a handshake; the stateless revision says more with each request, and gets another answer. */
const REVISIONS: ReadonlySet<unknown> = new Set(SUPPORTED_PROTOCOL_VERSIONS)

/** The call that a request is, if it is that and nothing more; whatever is amiss with another is the SDK's to say. */
export function plainCallIn(headers: IncomingHttpHeaders, body: unknown): PlainCall | undefined {
  const { accept = '', 'content-type': type = '', 'mcp-protocol-version': revision } = headers
  if (!accept.includes('application/json') || !accept.includes('text/event-stream')) return undefined
  if (!/^application\/json *(?:;|$)/.test(type)) return undefined
  if (revision !== undefined && !REVISIONS.has(revision)) return undefined
  if (!isRecordOf(body, ['jsonrpc', 'id', 'method', 'params'])) return undefined
  const { jsonrpc, id, method, params } = body
  if (jsonrpc !== '2.0' || method !== 'tools/call' || !isRecordOf(params, ['name', 'arguments']))
    return undefined
  const { name, arguments: args = {} } = params
  if (typeof id !== 'string' && !Number.isSafeInteger(id)) return undefined
  return typeof name === 'string' && isRecord(args) ? { id: id as string | number, name, args } : undefined
}

/**
 * The answer to such a call, byte for byte as the SDK has it; undefined where a result is more than text, data and
 * whether it is a failure, or is not as it should be.
 */
export function plainAnswer(id: PlainCall['id'], result: CallToolResult): string | undefined {
  if (!isRecordOf(result, ['content', 'structuredContent', 'isError'])) return undefined
  const { structuredContent, isError } = result
  const content: unknown = result.content
  if (!Array.isArray(content) || !content.every(isText)) return undefined
  if (structuredContent !== undefined && !isRecord(structuredContent)) return undefined
  if (isError !== undefined && typeof isError !== 'boolean') return undefined
  const texts = content.map(({ text }) => ({ type: 'text', text }))
  const message = { result: { content: texts, structuredContent, isError }, jsonrpc: '2.0', id }
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isRecordOf = (value: unknown, names: readonly string[]): value is Record<string, unknown> =>
  isRecord(value) && Object.keys(value).every((name) => names.includes(name))

const isText = (block: unknown): block is { text: string } =>
  isRecordOf(block, ['type', 'text']) && block.type === 'text' && typeof block.text === 'string'
