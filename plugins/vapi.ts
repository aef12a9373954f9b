import fp from 'fastify-plugin'
import { Agent } from 'undici'
import { createVapiApi, type VapiApi } from '../services/vapi/api.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The VAPI api. */
    vapi: VapiApi
  }
}

export interface VapiPluginOptions {
  baseUrl: string
  apiKey: string | undefined
}

export default fp<VapiPluginOptions>(
  async (app, options) => {
    const agent = new Agent({ connections: 16, connect: { timeout: 2_000 }, keepAliveTimeout: 30_000 })
    const dispatcher = agent.compose(app.watched('vapi'))
    const lanes = app.lanesTo('vapi')
    app.decorate('vapi', createVapiApi({ ...options, dispatcher, lanes }))
    app.addHook('onClose', () => agent.close())
  },
  { name: 'vapi', dependencies: ['upstreams'] },
)
