import type { FastifyPluginAsync } from 'fastify'
import adminRoutes from './admin/routes.ts'
import docs from './docs.ts'
import ghlOAuth from './ghl-oauth.ts'
import health from './health.ts'
import mcp from './mcp.ts'
import metrics from './metrics.ts'
import recordings from './recordings.ts'
import tools from './tools.ts'
import webhooks from './vapi/webhooks.ts'

export interface DoorsOptions {
  publicUrl: string
}

/** Who may call what: one scope for each audience, whose first line is its guard. */
const doors: FastifyPluginAsync<DoorsOptions> = async (app, { publicUrl }) => {
  await app.register(async function everybody(scope) {
    await scope.register(health)
    await scope.register(recordings)
    await scope.register(ghlOAuth)
  })

  await app.register(async function vapiCalls(scope) {
    scope.addHook('onRequest', scope.guards.vapiAuth)
    await scope.register(webhooks)
  })

  await app.register(async function toolUsers(scope) {
    scope.addHook('onRequest', scope.guards.toolAuth)
    scope.addHook('onRequest', async () => scope.pressure.shed('rest'))
    await scope.register(tools)
  })

  await app.register(async function mcpClients(scope) {
    scope.addHook('onRequest', scope.guards.mcpAuth)
    await scope.register(mcp, { publicUrl })
  })

  await app.register(async function readers(scope) {
    scope.addHook('onRequest', scope.guards.readerAuth)
    await scope.register(docs)
  })

  // Without an admin's token there is nothing for operators.
  if (!app.hasDecorator('admin')) return

  await app.register(async function operators(scope) {
    scope.addHook('onRequest', scope.guards.adminAuth)
    scope.addHook('onRequest', async () => scope.pressure.shed('rest'))
    scope.addHook('onRequest', (request) => scope.limits.take('operators', request))
    await scope.register(adminRoutes)
  })

  // Metrics are wanted most when there is too much to do.
  await app.register(async function scrapers(scope) {
    scope.addHook('onRequest', scope.guards.adminAuth)
    await scope.register(metrics)
  })
}

export default doors
