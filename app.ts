import sensible from '@fastify/sensible'
import Fastify, { type FastifyInstance, LogController } from 'fastify'
import type { Config } from './config.ts'
import auth from './plugins/auth.ts'
import clients from './plugins/clients.ts'
import database from './plugins/database.ts'
import errors from './plugins/errors.ts'
import ghl from './plugins/ghl.ts'
import jobs, { type JobsPluginOptions } from './plugins/jobs.ts'
import mcpDoor from './plugins/mcp.ts'
import metrics from './plugins/metrics.ts'
import openapiDocument from './plugins/openapi.ts'
import requestLog, { loggerOptions } from './plugins/request-log.ts'
import services from './plugins/services.ts'
import vapi from './plugins/vapi.ts'
import workers from './plugins/workers.ts'
import health from './routes/health.ts'
import mcp from './routes/mcp.ts'
import openapi from './routes/openapi.ts'
import recordings from './routes/recordings.ts'
import tools from './routes/tools.ts'
import webhooks from './routes/vapi/webhooks.ts'
import { type Clock, systemClock } from './services/time.ts'

/** What tests and the demo put in place of the real thing. */
export interface Overrides {
  clock?: Clock
  jobs?: JobsPluginOptions
  logStream?: { write(line: string): void }
}

/** The table of contents: everything this server is made of, in the order in which it starts. */
export async function buildApp(config: Config, overrides: Overrides = {}): Promise<FastifyInstance> {
  const app = Fastify({
    logger: loggerOptions(config.logLevel, overrides.logStream),
    logController: new LogController({ disableRequestLogging: true }),
    // Bodies are taken as they are: nothing is dropped or turned into another type.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    // A first start makes a database, and many instances that start together migrate one after the other.
    pluginTimeout: 120_000,
  })
  await app.register(errors)
  await app.register(sensible)
  await app.register(requestLog)
  await app.register(metrics)
  await app.register(openapiDocument, { publicUrl: config.publicUrl })
  await app.register(database, { url: config.databaseUrl, dataDirectory: config.dataDirectory })
  await app.register(jobs, overrides.jobs ?? {})
  await app.register(auth, { webhookTokens: config.vapi.webhookTokens })
  await app.register(clients, config.clientCache)
  await app.register(ghl, config.ghl)
  await app.register(vapi, { baseUrl: config.vapi.baseUrl, apiKey: config.vapi.apiKey })
  const { publicUrl } = config
  const { credentialId } = config.vapi
  await app.register(services, { clock: overrides.clock ?? systemClock, publicUrl, credentialId })
  await app.register(workers)
  await app.register(mcpDoor, { upstreamUrl: config.ghl.mcpUrl })

  // Who may call what: one scope for each audience, whose first line is its guard.
  await app.register(async function everybody(scope) {
    await scope.register(health)
    await scope.register(recordings)
  })
  await app.register(async function vapiCalls(scope) {
    scope.addHook('onRequest', scope.guards.vapiAuth)
    await scope.register(webhooks)
  })
  await app.register(async function toolUsers(scope) {
    scope.addHook('onRequest', scope.guards.toolAuth)
    await scope.register(tools)
    await scope.register(openapi)
  })
  await app.register(async function mcpClients(scope) {
    scope.addHook('onRequest', scope.guards.mcpAuth)
    await scope.register(mcp, { publicUrl })
  })
  return app
}
