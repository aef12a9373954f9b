import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { hostHeaderValidation, originValidation } from '@modelcontextprotocol/fastify'
import { type NodeIncomingMessageLike, toWebRequest } from '@modelcontextprotocol/node'
import { localhostAllowedHostnames } from '@modelcontextprotocol/server'
import type { FastifyReply } from 'fastify'

const Headers = Type.Object({
  'x-phone-number': Type.Optional(
    Type.String({ description: "The client's number, E.164; not needed with a call's token" }),
  ),
  'x-call-id': Type.Optional(Type.String({ description: 'The call, by VAPI’s id: whose contact is meant' })),
  'x-tools': Type.Optional(Type.String({ description: 'upstream: our own tools are not listed' })),
})

/** What an assistant can do without while the server is pressed: it has our own tools already. */
const LISTINGS: ReadonlySet<string> = new Set(['mcp.tools/list', 'mcp.subscriptions/listen'])

export interface McpRouteOptions {
  /** Under which address this server is reached; its host is one a request may be for. */
  publicUrl: string
}

/** MCP for assistants and other clients: Streamable HTTP, without sessions, so POST is all there is. */
const mcp: FastifyPluginAsyncTypebox<McpRouteOptions> = async (scope, { publicUrl }) => {
  const hosts = [new URL(publicUrl).hostname, ...localhostAllowedHostnames()]
  // Against web pages that reach for a server on their visitor's own machine or network.
  scope.addHook('onRequest', hostHeaderValidation(hosts))
  scope.addHook('onRequest', originValidation(hosts))
  // Only JSON is understood; Fastify would hand text through.
  scope.removeContentTypeParser('text/plain')

  scope.post(
    '/mcp',
    {
      config: { operation: 'mcp', dialect: 'json-rpc' },
      schema: { summary: 'Model Context Protocol: our tools and the CRM’s', headers: Headers },
    },
    async (request, reply) => {
      request.operation = scope.mcp.operationOf(request.body)
      if (LISTINGS.has(request.operation)) scope.pressure.shed('listing')
      const who = await scope.mcp.whoIsMeant({
        access: request.access,
        number: request.headers['x-phone-number'],
        callId: request.headers['x-call-id'],
        tools: request.headers['x-tools'],
      })
      request.client = who.client
      request.callId = who.callId
      await scope.limits.take('mcp', request)
      const { raw, headers, body } = request
      const signal = hangUp(reply)
      const toRequest = async () => toWebRequest(raw as NodeIncomingMessageLike, body, { signal })
      return answer(reply, await scope.mcp.serve({ headers, body, signal, toRequest }, who))
    },
  )

  scope.route({
    method: ['GET', 'DELETE', 'PUT', 'PATCH', 'OPTIONS'],
    url: '/mcp',
    config: { operation: 'mcp.method-refused', dialect: 'json-rpc' },
    schema: {
      summary: 'Refused: there are no sessions to listen to or to end',
      response: { 405: Type.Unknown() },
    },
    // Before the body is read: whatever it holds, the answer is the same.
    onRequest: async (_request, reply) => {
      reply.header('allow', 'POST')
      throw scope.httpErrors.methodNotAllowed()
    },
    handler: () => {},
  })
}

export default mcp

/** Aborted when the caller leaves before the answer is complete. */
function hangUp(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.on('close', () => {
    if (!reply.raw.writableFinished) controller.abort()
  })
  return controller.signal
}

/** As the SDK has them. */
const OF_EVENTS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  connection: 'keep-alive',
  'x-accel-buffering': 'no',
}

/** A stream goes out as it comes; a document, and events that are all there, in one piece, with their length. */
async function answer(reply: FastifyReply, response: Response | string): Promise<FastifyReply> {
  if (typeof response === 'string') return reply.headers(OF_EVENTS).send(response)
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) return reply.send(response)
  const text = await response.text()
  return reply
    .code(response.status)
    .headers(Object.fromEntries(response.headers))
    .send(text || undefined)
}
