import fp from 'fastify-plugin'
import { createClientRepository } from '../services/clients/repository.ts'
import { type ClientResolver, createClientResolver } from '../services/clients/resolver.ts'
import { createListener } from '../services/database/listener.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Who is meant by a phone number or an id, from memory where possible. */
    clients: ClientResolver
  }
}

export interface ClientsPluginOptions {
  ttlMs: number
  max: number
}

/** Tenant resolution. Changes to the table `clients` reach every instance by LISTEN/NOTIFY. */
export default fp<ClientsPluginOptions>(
  async (app, options) => {
    const { sql, secrets } = app
    const clients = createClientResolver({
      repository: createClientRepository({ sql, secrets }),
      secrets,
      ...options,
    })
    const listening = Promise.withResolvers<void>()
    const listener = createListener({
      url: app.database.url,
      channel: 'clients_changed',
      sql: app.sql,
      onMessage: (payload) => clients.changed(payload),
      onListening: () => {
        void clients.clear()
        listening.resolve()
      },
      onLost: (reason) =>
        app.log.error(
          { reason },
          'not told of changed clients: they are seen when their time in the cache has passed',
        ),
    })
    app.decorate('clients', clients)
    app.addHook('onClose', () => listener.close())
    // A pooler may not pass LISTEN on; the server works without, so it does not wait for ever.
    await Promise.race([listening.promise, new Promise((resolve) => setTimeout(resolve, 3_000).unref())])
  },
  { name: 'clients', dependencies: ['database', 'secrets'] },
)
