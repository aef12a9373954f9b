import type { Context, Span } from '@opentelemetry/api'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { RELEASE } from '../services/release.ts'
import { type Facts, failureOf, NO_TRACING, type Tracing } from '../services/tracing.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** One trace a request, through database, queue and CRM. */
    tracing: Tracing
  }
}

export interface TracingPluginOptions {
  /** The collector's base address (OTLP over HTTP); undefined: nothing is traced, and nothing loaded for it. */
  endpoint: string | undefined
}

/** A collector that is away must not hold up anything: neither a batch for long nor the end of the process. */
const EXPORT_DEADLINE_MS = 3_000
const FLUSH_DEADLINE_MS = 4_000
const EXPORT_EVERY_MS = 2_000

/**
 * Traces, for a collector. Spans carry operations, ids of clients and calls, and how it ended; no numbers, bodies,
 * addresses or words of SQL. Nothing is registered globally, so several apps may live in one process.
 */
export default fp<TracingPluginOptions>(
  async (app, { endpoint }) => {
    if (!endpoint) {
      app.decorate('tracing', NO_TRACING)
      return
    }
    const { contexts, provider, api } = await load(endpoint, app.log)
    const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = api
    const tracer = provider.getTracer(RELEASE.name, RELEASE.version)

    const end = (span: Span, facts: Facts = {}, error?: string) => {
      span.setAttributes(definedOf(facts))
      if (error) {
        span.setAttribute('error.type', error)
        span.setStatus({ code: SpanStatusCode.ERROR })
      }
      span.end()
    }
    /** Where a sender's trace goes on; what is no traceparent begins one of our own. */
    const contextOf = (traceparent: unknown): Context => {
      const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(String(traceparent)) ?? []
      const remote = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
      return api.isSpanContextValid(remote) ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT
    }
    async function around<T>(span: Span, parent: Context, work: () => Promise<T>): Promise<T> {
      try {
        const value = await contexts.with(trace.setSpan(parent, span), work)
        end(span)
        return value
      } catch (error) {
        end(span, {}, failureOf(error))
        throw error
      }
    }
    app.decorate('tracing', {
      on: true,
      current() {
        const span = trace.getSpanContext(contexts.active())
        return span && `00-${span.traceId}-${span.spanId}-0${span.traceFlags & 1}`
      },
      start(name, facts = {}) {
        const parent = contexts.active()
        if (!trace.getSpan(parent)) return undefined
        const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes: definedOf(facts) }, parent)
        return (more, error) => end(span, more, error)
      },
      within(name, facts, work) {
        const parent = contexts.active()
        if (!trace.getSpan(parent)) return work()
        return around(tracer.startSpan(name, { attributes: definedOf(facts) }, parent), parent, work)
      },
      resume(traceparent, name, facts, work) {
        const parent = contextOf(traceparent)
        const options = { kind: SpanKind.CONSUMER, attributes: definedOf(facts) }
        return around(tracer.startSpan(name, options, parent), parent, work)
      },
    } satisfies Tracing)

    const running = new WeakMap<FastifyRequest, { span: Span; context: Context }>()
    app.addHook('onRequest', (request, _reply, done) => {
      const { operation } = request
      if (operation.startsWith('health.')) return done()
      const parent = contextOf(request.headers.traceparent)
      const span = tracer.startSpan(operation, { kind: SpanKind.SERVER }, parent)
      const context = trace.setSpan(parent, span)
      running.set(request, { span, context })
      contexts.with(context, done)
    })
    // Whoever reads the body goes on in the context of its socket.
    app.addHook('preValidation', (request, _reply, done) => {
      const context = running.get(request)?.context
      if (context) contexts.with(context, done)
      else done()
    })
    app.whenEnded.push(({ request, operation, status }) => {
      const span = running.get(request)?.span
      if (!span) return
      span.updateName(operation)
      const facts = {
        'http.request.method': request.method,
        'http.response.status_code': status,
        'agent.operation': operation,
        'agent.client.id': request.client?.id,
        'agent.call.id': request.callId,
      }
      end(span, facts, status >= 500 ? String(status) : undefined)
    })
    app.addHook('onClose', async () => {
      const late = new Promise((resolve) => setTimeout(resolve, FLUSH_DEADLINE_MS).unref())
      await Promise.race([provider.shutdown().catch(() => {}), late])
      contexts.disable()
    })
  },
  { name: 'tracing', dependencies: ['request-log'] },
)

/** The code of success of an export. */
const SENT = 0
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/

const definedOf = (facts: Facts) =>
  Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))

async function load(endpoint: string, log: FastifyBaseLogger) {
  const [api, sdk, hooks, otlp, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ])
  const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`
  const collector = new otlp.OTLPTraceExporter({ url, timeoutMillis: EXPORT_DEADLINE_MS })
  let away = false
  const exporter: SpanExporter = {
    // Said once for each time it goes away; what could not be sent is dropped.
    export(spans, done) {
      collector.export(spans, ({ code }) => {
        if (code !== SENT && !away) log.warn('the collector of traces does not take them: they are dropped')
        away = code !== SENT
        done({ code: SENT })
      })
    },
    forceFlush: () => collector.forceFlush(),
    shutdown: () => collector.shutdown(),
  }
  const contexts = new hooks.AsyncLocalStorageContextManager().enable()
  const provider = new sdk.TracerProvider({
    resource: resources.resourceFromAttributes({
      'service.name': RELEASE.name,
      'service.version': RELEASE.version,
    }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter,
        scheduledDelayMillis: EXPORT_EVERY_MS,
        exportTimeoutMillis: 2 * EXPORT_DEADLINE_MS,
      }),
    ],
  })
  return { api, contexts, provider }
}
