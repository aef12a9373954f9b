import fp from 'fastify-plugin'
import { Counter, Registry } from 'prom-client'

declare module 'fastify' {
  interface FastifyInstance {
    metrics: {
      readonly registry: Registry
      /** One VAPI message came: its type (`other` if nobody handles it) and how many of its properties are new to us. */
      message(type: string, unknownProperties: number): void
    }
  }
}

/** What is counted. Labels take a few known values only: never a caller, a call, or text from outside. */
export default fp(
  async (app) => {
    // Of this app alone, so that several may live in one process.
    const registry = new Registry()
    const registers = [registry]
    const messages = new Counter({
      name: 'vapi_messages_total',
      help: 'VAPI messages by type',
      labelNames: ['type'],
      registers,
    })
    const unknown = new Counter({
      name: 'vapi_unknown_properties_total',
      help: 'Properties of VAPI messages that this version does not know',
      registers,
    })
    app.decorate('metrics', {
      registry,
      message(type, unknownProperties) {
        messages.inc({ type })
        if (unknownProperties > 0) unknown.inc(unknownProperties)
      },
    })
  },
  { name: 'metrics' },
)
