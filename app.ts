import sensible from '@fastify/sensible'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Config } from './config.ts'
import admin from './plugins/admin.ts'
import auth from './plugins/auth.ts'
import callTokens, { type CallTokensPluginOptions } from './plugins/call-tokens.ts'
import clients from './plugins/clients.ts'
import database from './plugins/database.ts'
import edge from './plugins/edge.ts'
import errorReports from './plugins/error-reports.ts'
import errors from './plugins/errors.ts'
import gauges from './plugins/gauges.ts'
import ghl, { type GhlPluginOptions } from './plugins/ghl.ts'
import { serverOptions } from './plugins/http.ts'
import jobs, { type JobsPluginOptions } from './plugins/jobs.ts'
import limits, { type LimitsPluginOptions } from './plugins/limits.ts'
import mcpDoor from './plugins/mcp.ts'
import metrics from './plugins/metrics.ts'
import metricsPort from './plugins/metrics-port.ts'
import openapiDocument from './plugins/openapi.ts'
import pressure, { type PressurePluginOptions } from './plugins/pressure.ts'
import privacy from './plugins/privacy.ts'
import reconciler from './plugins/reconciler.ts'
import redis from './plugins/redis.ts'
import requestLog, { loggerOptions } from './plugins/request-log.ts'
import secrets from './plugins/secrets.ts'
import services from './plugins/services.ts'
import tracing from './plugins/tracing.ts'
import upstreams from './plugins/upstreams.ts'
import vapi from './plugins/vapi.ts'
import workers from './plugins/workers.ts'
import doors from './routes/doors.ts'
import type { ErrorTap } from './services/error-tap.ts'
import { type Clock, systemClock } from './services/time.ts'

/** What tests and the demo put in place of the real thing. */
export interface Overrides {
  callTokens?: Omit<CallTokensPluginOptions, 'clock'>
  clock?: Clock
  ghl?: Pick<GhlPluginOptions, 'requests'>
  jobs?: JobsPluginOptions
  limits?: LimitsPluginOptions
  pressure?: PressurePluginOptions
  logStream?: { write(line: string): void }
}

/** The table of contents: everything this server is made of, in the order in which it starts. */
export async function buildApp(config: Config, overrides: Overrides = {}): Promise<FastifyInstance> {
  const { publicUrl, telemetry, databaseUrl, databaseDirectUrl, dataDirectory } = config
  const clock = overrides.clock ?? systemClock
  const tap: ErrorTap = {}
  const app = Fastify(serverOptions(config, loggerOptions(config.logLevel, overrides.logStream, tap)))
  for (const plugin of [errors, sensible, requestLog, metrics]) await app.register(plugin)
  await app.register(errorReports, { dsn: telemetry.sentryDsn, environment: config.env, tap })
  await app.register(tracing, { endpoint: telemetry.otlpEndpoint })
  for (const plugin of [upstreams, edge]) await app.register(plugin)
  await app.register(pressure, overrides.pressure ?? {})
  await app.register(openapiDocument, { publicUrl })
  await app.register(database, { databaseUrl, databaseDirectUrl, dataDirectory })
  await app.register(redis, { url: config.redisUrl })
  await app.register(limits, overrides.limits ?? {})
  await app.register(jobs, overrides.jobs ?? {})
  await app.register(callTokens, { ...overrides.callTokens, clock })
  await app.register(auth, { ...config.vapi, adminTokens: config.adminTokens, clock })
  await app.register(secrets, { keys: config.encryptionKeys })
  await app.register(clients, config.clientCache)
  await app.register(ghl, { ...config.ghl, publicUrl, ...overrides.ghl })
  await app.register(vapi, config.vapi)
  await app.register(services, { ...config.vapi, clock, publicUrl })
  await app.register(workers)
  await app.register(reconciler, { clock })
  await app.register(privacy, { clock })
  await app.register(mcpDoor, { upstreamUrl: config.ghl.mcpUrl })
  await app.register(gauges, { clock })
  await app.register(metricsPort, { host: config.host, port: telemetry.metricsPort })
  if (config.adminTokens.length > 0) await app.register(admin, { ...config.vapi, clock, publicUrl })
  await app.register(doors, { publicUrl })
  return app
}
