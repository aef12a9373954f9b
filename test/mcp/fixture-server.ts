import sensible from '@fastify/sensible'
import Fastify from 'fastify'
import errors from '../../plugins/errors.ts'
import requestLog from '../../plugins/request-log.ts'
import mcp from '../../routes/mcp.ts'
import { createMcpDoor, operationOf } from '../../services/mcp/door.ts'
import type { Who } from '../../services/mcp/identity.ts'
import { toolset } from './fixture.ts'

/** The route and the door of production, with the conformance suites' tools behind them and no lock before them. */
export async function startFixtureServer() {
  const app = Fastify({ ajv: { customOptions: { removeAdditional: false, coerceTypes: false } } })
  await app.register(errors)
  await app.register(sensible)
  await app.register(requestLog)
  const door = createMcpDoor<Who>({ toolsFor: () => toolset, log: app.log })
  app.decorate('mcp', {
    serve: door.serve,
    operationOf,
    whoIsMeant: async () => ({ client: undefined, callId: undefined }) as unknown as Who,
  })
  app.decorate('limits', { count: async () => undefined, take: async () => {} })
  app.decorate('pressure', { level: 0, shed() {} })
  app.addHook('preClose', () => door.endListeners())
  app.addHook('onClose', () => door.close())
  await app.register(mcp, { publicUrl: 'https://agent.example.com' })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { url, app, close: () => app.close() }
}
