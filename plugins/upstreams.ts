import fp from 'fastify-plugin'
import type { Dispatcher } from 'undici'
import { createLanes, type Lanes } from '../services/lanes.ts'
import { type UpstreamKind, watching } from '../services/upstream-watch.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Has the requests to a remote system counted and traced: `agent.compose(app.watched('ghl'))`. */
    watched(kind: UpstreamKind): Dispatcher.DispatcherComposeInterceptor
    /** The ways to a remote system, one for each key; what becomes of their breakers is logged. */
    lanesTo(kind: string): Lanes
    /** The breaker of every way that was used lately, to whatever system. */
    breakers(): ReturnType<Lanes['states']>
  }
}

export default fp(
  async (app) => {
    const { metrics, tracing, log } = app
    const ways: Lanes[] = []
    app.decorate('lanesTo', (kind: string) => {
      const lanes = createLanes({
        kind,
        onStateChange: ({ key, state }) => log.warn({ kind, client: key || undefined, state }, 'breaker'),
      })
      ways.push(lanes)
      return lanes
    })
    app.decorate('breakers', function* () {
      for (const lanes of ways) yield* lanes.states()
    })
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
