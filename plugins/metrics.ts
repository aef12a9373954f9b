import fp from 'fastify-plugin'
import { Counter, collectDefaultMetrics, Histogram, type HistogramConfiguration, Registry } from 'prom-client'
import type { Attempt } from '../services/upstream-watch.ts'

declare module 'fastify' {
  interface FastifyInstance {
    metrics: {
      readonly registry: Registry
      /** Everything in the text format of Prometheus: of this app and of its process. */
      text(): Promise<string>
      /** One VAPI message came: its type (`other` if nobody handles it) and how many of its properties are new to us. */
      message(type: string, unknownProperties: number): void
      /** A tool was used: its name in the catalogue, and `ok` or the code of the failure. */
      tool(name: string, outcome: string, ms: number): void
      /** A request to a remote system is over. */
      upstream(call: Pick<Attempt, 'kind' | 'operation' | 'outcome' | 'ms'>): void
    }
  }
}

/**
 * Seconds, from 1 ms to 10 s. 0.3, 1, 2.5 and 7.5 are what an `assistant-request` is judged by: VAPI gives up after
 * 7.5 s. The share of them that was answered within a second:
 *
 *     sum(rate(request_duration_seconds_bucket{operation="vapi.assistant-request",le="1"}[5m]))
 *       / sum(rate(request_duration_seconds_count{operation="vapi.assistant-request"}[5m]))
 */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1, 2.5, 7.5, 10]

/**
 * What is counted as it happens. Labels take a few known values only: never a caller, a call, a client, or text from
 * outside. What is asked for at each scrape is in gauges.ts.
 */
export default fp(
  async (app) => {
    // Of this app alone, so that several may live in one process.
    const registry = new Registry()
    const registers = [registry]
    const process = ofProcess()
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
    const durations = (name: string, help: string, labelNames: string[]) =>
      createTimes({ name, help, labelNames, buckets: BUCKETS, registers })
    const requests = durations(
      'request_duration_seconds',
      'Requests by operation and outcome (ok, refused: 4xx, failed: 5xx, left: the sender hung up). Share of assistant-request within 1 s: sum(rate(request_duration_seconds_bucket{operation="vapi.assistant-request",le="1"}[5m])) / sum(rate(request_duration_seconds_count{operation="vapi.assistant-request"}[5m]))',
      ['operation', 'outcome'],
    )
    const tools = durations('tool_duration_seconds', 'Uses of tools, by tool and outcome', [
      'tool',
      'outcome',
    ])
    const upstream = durations(
      'upstream_duration_seconds',
      'Requests to remote systems, by kind, operation and outcome; each repetition counts',
      ['kind', 'operation', 'outcome'],
    )
    app.whenEnded.push(({ operation, status, ms }) => requests(ms, operation, outcomeOf(status)))
    const ofType = remembering((type: string) => messages.labels(type))
    app.decorate('metrics', {
      registry,
      text: async () => (await registry.metrics()) + (await process.metrics()),
      message(type, unknownProperties) {
        ofType(type).inc()
        if (unknownProperties > 0) unknown.inc(unknownProperties)
      },
      tool: (name, outcome, ms) => tools(ms, name, outcome),
      upstream: ({ kind, operation, outcome, ms }) => upstream(ms, kind, operation, outcome),
    })
  },
  { name: 'metrics', dependencies: ['request-log'] },
)

const CALLER_LEFT = 499

function outcomeOf(status: number): string {
  if (status >= 500) return 'failed'
  if (status === CALLER_LEFT) return 'left'
  return status >= 400 ? 'refused' : 'ok'
}

/** A function of a text that takes a few known values. */
function remembering<T>(make: (text: string) => T): (text: string) => T {
  const made = new Map<string, T>()
  return (text) => {
    const known = made.get(text) ?? make(text)
    made.set(text, known)
    return known
  }
}

/** Times that wait at most to be put into a histogram. */
const WAITING_MAX = 500

/**
 * A histogram by labels in their order. Times are put into it some hundred at once, or when it is read: one by one, each
 * would take a request longer than many of the steps it measures.
 */
function createTimes(options: HistogramConfiguration<string>) {
  const all: { observer: { observe(seconds: number): void }; waiting: number[] }[] = []
  let count = 0
  const sort = () => {
    for (const { observer, waiting } of all) for (const ms of waiting.splice(0)) observer.observe(ms / 1_000)
    count = 0
  }
  const histogram = new Histogram({ ...options, collect: sort })
  const waitingOf = remembering((labels) => {
    const waiting: number[] = []
    all.push({ observer: histogram.labels(...labels.split('\n')), waiting })
    return waiting
  })
  return (ms: number, ...labels: string[]) => {
    waitingOf(labels.join('\n')).push(ms)
    count += 1
    if (count >= WAITING_MAX) sort()
  }
}

let processMetrics: Registry | undefined

/**
 * Memory, event loop, garbage collection: there is one process, whatever runs in it. Two of prom-client's own metrics
 * start something that never ends, so they are made once.
 */
function ofProcess(): Registry {
  if (processMetrics) return processMetrics
  processMetrics = new Registry()
  collectDefaultMetrics({ register: processMetrics })
  return processMetrics
}
