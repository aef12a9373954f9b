import { createServer } from 'node:http'
import fp from 'fastify-plugin'

export interface MetricsPortPluginOptions {
  host: string
  /** Undefined: metrics are at /metrics only, with an admin's token. */
  port: number | undefined
}

/**
 * Metrics on a port of their own, without a credential: for a network that only those who may see them can reach,
 * such as Fly's, whose collector has no token.
 */
export default fp<MetricsPortPluginOptions>(
  async (app, { host, port }) => {
    if (port === undefined) return
    const server = createServer(async (request, response) => {
      const known = request.method === 'GET' && request.url === '/metrics'
      if (!known) return response.writeHead(404).end()
      try {
        const text = await app.metrics.text()
        response.writeHead(200, { 'content-type': app.metrics.registry.contentType }).end(text)
      } catch (error) {
        app.log.error({ err: error }, 'the metrics could not be collected')
        response.writeHead(500).end()
      }
    })
    const { promise: listening, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject).listen(port, host, resolve)
    await listening
    app.addHook('onClose', async () => {
      server.close()
      server.closeAllConnections()
    })
  },
  { name: 'metrics-port', dependencies: ['metrics'] },
)
