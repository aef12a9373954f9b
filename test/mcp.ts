import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type GhlMcpSandbox, startGhlMcpSandbox } from '../sandbox/ghl-mcp.ts'
import { build, type Harness, type HarnessOptions, type TestClient, TOKEN } from './helper.ts'

export const REVISIONS = ['2025-03-26', '2025-06-18', '2025-11-25'] as const
export const STATELESS = '2026-07-28'

export interface McpHarness extends Harness {
  upstream: GhlMcpSandbox
}

/** The whole server with GHL's MCP server beside its API; each client has an account there. */
export async function buildMcp(t: Test, options: HarnessOptions = {}): Promise<McpHarness> {
  const upstream = await startGhlMcpSandbox()
  t.teardown(() => upstream.close())
  const harness = await build(t, { ...options, env: { GHL_MCP_URL: upstream.url, ...options.env } })
  const addClient: Harness['addClient'] = async (change, location) => {
    const client = await harness.addClient(change, location)
    upstream.addAccount(client.token, client.locationId)
    return client
  }
  return { ...harness, upstream, addClient }
}

export interface RpcAnswer {
  status: number
  headers: Record<string, unknown>
  type: string
  body: {
    jsonrpc?: string
    id?: unknown
    result?: Record<string, unknown>
    error?: { code: number; message: string; data?: unknown }
  }
}

export const headersFor = (client: Pick<TestClient, 'number'>) => ({
  authorization: `Bearer ${TOKEN}`,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'x-phone-number': client.number,
})

/** A message as the stateless revision has it: it says in itself what the handshake once did. */
export function stateless(method: string, params: Record<string, unknown> = {}) {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': STATELESS,
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const name = typeof params.name === 'string' ? { 'mcp-name': params.name } : {}
  return {
    headers: { 'mcp-protocol-version': STATELESS, 'mcp-method': method, ...name },
    message: {
      jsonrpc: '2.0',
      id: 1,
      method,
      params: { ...params, _meta: { ...meta, ...(params._meta ?? {}) } },
    },
  }
}

/** Posts to /mcp and answers what came, whether it came as a document or as events. */
export async function post(
  app: FastifyInstance,
  headers: Record<string, string>,
  body: unknown,
): Promise<RpcAnswer> {
  const response = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers,
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const type = String(response.headers['content-type'] ?? '')
  const data = type.startsWith('text/event-stream')
    ? response.payload
        .split('\n')
        .findLast((line) => line.startsWith('data: '))
        ?.slice(6)
    : response.payload
  return {
    status: response.statusCode,
    headers: response.headers,
    type,
    body: data ? JSON.parse(data) : {},
  }
}

export interface ToolResult {
  content: { type: string; text: string }[]
  structuredContent?: Record<string, unknown>
  isError?: boolean
}

/** One message of the handshake revisions. */
export async function rpc(
  app: FastifyInstance,
  client: Pick<TestClient, 'number'>,
  method: string,
  params: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<RpcAnswer> {
  return post(app, { ...headersFor(client), ...headers }, { jsonrpc: '2.0', id: 1, method, params })
}

export async function toolNames(app: FastifyInstance, client: Pick<TestClient, 'number'>, headers = {}) {
  const { body } = await rpc(app, client, 'tools/list', {}, headers)
  const tools = (body.result?.tools ?? []) as { name: string }[]
  return tools.map(({ name }) => name)
}

export async function callTool(
  app: FastifyInstance,
  client: Pick<TestClient, 'number'>,
  name: string,
  args: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<ToolResult> {
  const { body } = await rpc(app, client, 'tools/call', { name, arguments: args }, headers)
  return body.result as unknown as ToolResult
}

/** Where the server listens, once it does. */
export async function addressOf(app: FastifyInstance): Promise<string> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
}

/** Our tools as they are offered to a client that does not ask before it records. */
export const offeredBy = ({ services }: FastifyInstance) =>
  [...services.catalogue.keys()].filter((name) => name !== 'record_consent')
