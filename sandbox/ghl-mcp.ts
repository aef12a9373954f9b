import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import { toWebRequest } from '@modelcontextprotocol/node'
import { type CallToolResult, createMcpHandler, Server, type Tool } from '@modelcontextprotocol/server'
import { answerOf, TOOLS } from './ghl-mcp-tools.ts'

/** A stand-in for GoHighLevel's MCP server, for tests. It behaves as that one was observed to. */
export interface GhlMcpSandbox {
  readonly url: string
  /** Every request, in order, with what it carried. */
  readonly requests: readonly McpRequest[]
  /** A location and the token that opens it. Calls with any other token are refused, listing is open to all. */
  addAccount(token: string, locationId: string): void
  /** Changes how it answers from now on; what is left out is as usual. */
  behave(behaviour: Behaviour): void
  close(): Promise<void>
}

export interface McpRequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly body:
    | { method?: string; params?: { name?: string; arguments?: Record<string, unknown> } }
    | undefined
  /** The caller has gone before the answer was complete. */
  aborted: boolean
}

export interface Behaviour {
  /** Milliseconds before each answer. */
  delayMs?: number
  /** No answer to a call at all, until the caller goes. */
  hang?: boolean
  /** This status instead of an answer. */
  status?: number
  /** Sends the caller elsewhere. */
  redirectTo?: string
  /** One JSON document instead of events, which the protocol allows too. */
  json?: boolean
  /** Each byte in a packet of its own. */
  oneByte?: boolean
  lineEnding?: '\n' | '\r\n' | '\r'
  /** A comment before each event, and each event's data in several lines. */
  untidy?: boolean
  /** Notifications of progress before the answer to a call. With `hang` they come all the same. */
  progress?: number
  /** Tools beside its own, each of which answers with what it was given. */
  extraTools?: Tool[]
  /** Result of every call. */
  result?: CallToolResult
}

export async function startGhlMcpSandbox({ host = '127.0.0.1', port = 0 } = {}): Promise<GhlMcpSandbox> {
  const accounts = new Map<string, string>()
  const requests: McpRequest[] = []
  let behaviour: Behaviour = {}

  function serverFor(headers: Headers): Server {
    const server = new Server({ name: 'ghl-mcp-sandbox', version: '1.0.0' }, { capabilities: { tools: {} } })
    const extra = behaviour.extraTools ?? []
    server.setRequestHandler('tools/list', async () => ({ tools: [...TOOLS, ...extra] }))
    server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken
      for (let step = 1; progressToken !== undefined && step <= (behaviour.progress ?? 0); step += 1) {
        const progress = { progressToken, progress: step, total: behaviour.progress, message: `step ${step}` }
        await mcpReq.notify({ method: 'notifications/progress', params: progress })
      }
      if (behaviour.hang) await new Promise((resolve) => mcpReq.signal.addEventListener('abort', resolve))
      const known = [...TOOLS, ...extra].some(({ name }) => name === params.name)
      const token = headers.get('authorization')?.replace(/^Bearer /, '') ?? ''
      const locationOf = { token: accounts.get(token), header: headers.get('locationid') ?? undefined }
      return behaviour.result ?? answerOf(params.name, params.arguments ?? {}, known, locationOf)
    })
    return server
  }
  const handler = createMcpHandler(({ requestInfo }) => serverFor(requestInfo?.headers ?? new Headers()))

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', headers } = request
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const body = text ? JSON.parse(text) : undefined
    const record: McpRequest = { method, headers, body, aborted: false }
    requests.push(record)
    const controller = new AbortController()
    response.on('close', () => {
      record.aborted = !response.writableFinished
      controller.abort()
    })
    const { delayMs, status, redirectTo } = behaviour
    if (delayMs) await wait(delayMs)
    if (redirectTo) return void response.writeHead(307, { location: redirectTo }).end()
    if (status) return void response.writeHead(status).end('upstream says something private')
    // As observed: there is nothing to listen to, and sessions are not known.
    if (method === 'GET') return void response.writeHead(405, { allow: 'POST' }).end()
    if (method === 'DELETE') return void response.writeHead(404).end()
    const asked = await toWebRequest(
      { ...request, method, headers, url: request.url ?? '/' } as never,
      body,
      {
        signal: controller.signal,
      },
    )
    const answered = await handler.fetch(asked, { parsedBody: body })
    if (behaviour.json) {
      const data = /^data: (.*)$/m.exec(await answered.text())?.[1] ?? ''
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(data)
    }
    response.writeHead(answered.status, { 'content-type': answered.headers.get('content-type') ?? '' })
    response.flushHeaders()
    if (!answered.body) return void response.end()
    for await (const chunk of answered.body) await write(response, Buffer.from(chunk).toString())
    response.end()
  }

  async function write(response: ServerResponse, events: string): Promise<void> {
    const { oneByte, lineEnding = '\n', untidy } = behaviour
    const text = (untidy ? untidied(events) : events).replaceAll('\n', lineEnding)
    if (!oneByte) return void response.write(text)
    for (const byte of Buffer.from(text)) {
      if (response.destroyed) return
      response.write(Uint8Array.of(byte))
      await nextTurn()
    }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  server.on('connection', (socket) => socket.setNoDelay(true))
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/mcp/`,
    requests,
    addAccount: (token, locationId) => void accounts.set(token, locationId),
    behave: (next) => {
      behaviour = next
    },
    async close() {
      await handler.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The same events with what a stream of events may hold besides: comments, other fields, data in several lines. */
function untidied(events: string): string {
  return events.replace(
    /event: message\ndata: (.*)\n\n/g,
    (_, data: string) =>
      `: a comment\nretry: 5000\nevent: message\nid: 7\n${JSON.stringify(JSON.parse(data), null, 1)
        .split('\n')
        .map((line) => `data: ${line}`)
        .join('\n')}\n\n`,
  )
}
