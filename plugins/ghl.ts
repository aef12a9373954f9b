import fp from 'fastify-plugin'
import { Agent } from 'undici'
import { createGhlApi, type GhlApi } from '../services/ghl/api.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The GHL api; `forClient` binds it to one client's account. */
    ghl: GhlApi
  }
}

export interface GhlPluginOptions {
  baseUrl: string
}

export default fp<GhlPluginOptions>(
  async (app, { baseUrl }) => {
    const dispatcher = new Agent({ connections: 128, connect: { timeout: 2_000 }, keepAliveTimeout: 30_000 })
    app.decorate('ghl', createGhlApi({ baseUrl, dispatcher }))
    app.addHook('onClose', () => dispatcher.close())
  },
  { name: 'ghl' },
)
