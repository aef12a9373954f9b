import swagger from '@fastify/swagger'
import fp from 'fastify-plugin'

export interface OpenApiPluginOptions {
  publicUrl: string
}

/** The OpenAPI document, generated from the schemas of the routes. */
export default fp<OpenApiPluginOptions>(
  async (app, { publicUrl }) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: '1000x Agent',
          description:
            'An AI receptionist for each of an agency’s businesses: the tools, and what VAPI calls.',
          version: '0.1.0',
        },
        servers: [{ url: publicUrl }],
        components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
        security: [{ token: [] }],
      },
    })
  },
  { name: 'openapi' },
)
