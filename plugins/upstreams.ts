import fp from 'fastify-plugin'
import type { Dispatcher } from 'undici'
import { type UpstreamKind, watching } from '../services/upstream-watch.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Has the requests to a remote system counted and traced: `agent.compose(app.watched('ghl'))`. */
    watched(kind: UpstreamKind): Dispatcher.DispatcherComposeInterceptor
  }
}

export default fp(
  async (app) => {
    const { metrics, tracing } = app
    app.decorate('watched', (kind: UpstreamKind) =>
      watching(kind, ({ operation }) => {
        const [method] = operation.split(' ', 1)
        const end = tracing.start(`${kind} ${operation}`, {
          'agent.upstream': kind,
          'http.request.method': method,
        })
        return (call) => {
          metrics.upstream(call)
          end?.(
            { 'http.response.status_code': call.status },
            call.outcome === 'ok' ? undefined : call.outcome,
          )
        }
      }),
    )
  },
  { name: 'upstreams', dependencies: ['metrics', 'tracing'] },
)
