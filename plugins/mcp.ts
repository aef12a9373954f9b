import { randomUUID } from 'node:crypto'
import fp from 'fastify-plugin'
import { Agent } from 'undici'
import { type Asked, createMcpDoor, operationOf } from '../services/mcp/door.ts'
import { createGateway } from '../services/mcp/gateway.ts'
import { type Claims, createIdentifier, type Who } from '../services/mcp/identity.ts'
import { createOwnTools } from '../services/mcp/own-tools.ts'
import { toolsetFor } from '../services/mcp/server.ts'
import { createUpstream } from '../services/mcp/upstream.ts'
import { createUpstreamTools } from '../services/mcp/upstream-tools.ts'
import { readArguments } from '../services/tools/arguments.ts'
import { isOffered } from '../services/tools/define.ts'

/** What the route needs of MCP. */
export interface Mcp {
  /** @throws AppError */
  whoIsMeant(claims: Claims): Promise<Who>
  /** The response, or the events that are all of it. */
  serve(asked: Asked, who: Who): Promise<Response | string>
  /** What a request does, for the log. */
  operationOf(body: unknown): string
}

declare module 'fastify' {
  interface FastifyInstance {
    mcp: Mcp
  }
}

export interface McpPluginOptions {
  /** GHL's MCP server. */
  upstreamUrl: string
}

/** Our tools and those of GHL's MCP server, for MCP clients. */
export default fp<McpPluginOptions>(
  async (app, { upstreamUrl }) => {
    const { log, services } = app
    const agent = new Agent({ connections: 512, connect: { timeout: 2_000 }, keepAliveTimeout: 30_000 })
    const dispatcher = agent.compose(app.watched('ghl-mcp'))
    const upstream = createUpstream({ url: upstreamUrl, dispatcher, governor: app.ghl.governor })
    const gateway = createGateway({ upstream, tools: createUpstreamTools({ upstream }), log })
    const own = createOwnTools({
      catalogue: services.catalogue,
      isOffered,
      run: (tool, { resolution, callId }, caller, args) => {
        // VAPI counts the requests of each connection from one, so their ids name no tool call.
        const call = callId === undefined ? undefined : { id: callId, toolCallId: `mcp:${randomUUID()}` }
        return services.tools.runOne(tool, resolution, { ...caller, call }, readArguments(tool.input, args))
      },
      callerOf: (who) => services.callers.inCall(who.client, who),
      log,
    })
    const door = createMcpDoor<Who>({ toolsFor: (who) => toolsetFor(who, own, gateway), log })
    app.decorate(
      'mcp',
      Object.freeze({
        whoIsMeant: createIdentifier({ whoIsMeant: services.whoIsMeant }),
        serve: door.serve,
        operationOf,
      }),
    )
    app.addHook('preClose', () => door.endListeners())
    app.addHook('onClose', async () => {
      await door.close()
      await agent.close()
    })
  },
  { name: 'mcp', dependencies: ['upstreams', 'database', 'clients', 'ghl', 'services'] },
)
