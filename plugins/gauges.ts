import fp from 'fastify-plugin'
import { Counter, Gauge } from 'prom-client'
import { createLiveCalls } from '../services/calls/live-repository.ts'
import type { QueueName } from '../services/jobs/job.ts'
import type { Clock } from '../services/time.ts'

export interface GaugesPluginOptions {
  clock: Clock
}

const QUEUES = Object.keys({ 'crm-sync': true, erasure: true } satisfies Record<QueueName, true>)
const EMPTY = { queued: 0, retrying: 0, active: 0, dead: 0, oldest_due_seconds: 0 }
/** A scrape waits no longer for what is not in memory; Prometheus itself gives up after 10 s. */
const SOURCE_DEADLINE_MS = 1_000
/** Several that scrape, or one in a hurry, cost the database one question in so long. */
const FRESH_MS = 5_000

/**
 * What is asked for at each scrape. Where a source does not answer in time its series are absent, and
 * `metrics_source_up` is 0: an old number would look like a quiet queue.
 */
export default fp<GaugesPluginOptions>(
  async (app, { clock }) => {
    const registers = [app.metrics.registry]
    const live = createLiveCalls({ sql: app.sql })
    const sources = new Map<string, () => Promise<unknown>>()
    const source = <T>(name: string, ask: () => Promise<T>) => {
      const asked = createSource(ask)
      sources.set(name, asked)
      return asked
    }

    const calls = source('calls', () => live.count(clock()))
    new Gauge({
      name: 'calls_in_progress',
      help: 'Calls that go on, over all instances (max, not sum); at most 10,000 are counted',
      registers,
      async collect() {
        const count = await calls()
        if (count === undefined) this.remove()
        else this.set(count)
      },
    })

    const queues = source('queue', async () => {
      const known = await app.jobs.records.stats()
      // What has no jobs is not among them.
      return QUEUES.map((queue) => known.find((stats) => stats.queue === queue) ?? { ...EMPTY, queue })
    })
    new Gauge({
      name: 'jobs',
      help: 'Jobs by queue and state, over all instances (max, not sum); dead: what no repetition could help',
      labelNames: ['queue', 'state'],
      registers,
      async collect() {
        this.reset()
        for (const { queue, queued, retrying, active, dead } of (await queues()) ?? [])
          for (const [state, count] of Object.entries({ queued, retrying, active, dead }))
            this.set({ queue, state }, count)
      },
    })
    new Gauge({
      name: 'jobs_oldest_due_seconds',
      help: 'For how long the job has waited that has been due for longest, by queue',
      labelNames: ['queue'],
      registers,
      async collect() {
        this.reset()
        for (const { queue, oldest_due_seconds } of (await queues()) ?? [])
          this.set({ queue }, oldest_due_seconds)
      },
    })
    new Gauge({
      name: 'breakers',
      help: 'Circuit breakers of this instance, one for each client and kind of upstream lately used (VAPI: one for all), by state',
      labelNames: ['kind', 'state'],
      registers,
      collect() {
        this.reset()
        for (const { kind, state } of app.breakers()) this.inc({ kind, state })
      },
    })

    new Counter({
      name: 'client_lookups_total',
      help: 'Who is meant by a number or an id: from memory (cache), from the database (load), the last known because the database did not answer (last-known), or not at all (unavailable)',
      labelNames: ['by', 'outcome'],
      registers,
      collect() {
        this.reset()
        for (const [by, counts] of Object.entries(app.clients.counts))
          for (const [outcome, count] of Object.entries(counts)) this.inc({ by, outcome }, count)
      },
    })
    new Gauge({
      name: 'client_cache_entries',
      help: 'Clients in memory by number: current, numbers known to be unknown, and questions under way',
      labelNames: ['kind'],
      registers,
      collect() {
        for (const [kind, size] of Object.entries(app.clients.size)) this.set({ kind }, size)
      },
    })
    new Gauge({
      name: 'metrics_source_up',
      help: 'Whether what is asked for at a scrape was answered in time',
      labelNames: ['source'],
      registers,
      async collect() {
        const states = [...sources].map(async ([source, ask]) =>
          this.set({ source }, (await ask()) === undefined ? 0 : 1),
        )
        await Promise.all(states)
      },
    })
  },
  { name: 'gauges', dependencies: ['metrics', 'database', 'jobs', 'clients', 'upstreams'] },
)

/** One question at a time, its answer good for a while; undefined if it does not come in time. Never rejects. */
function createSource<T>(ask: () => Promise<T>) {
  let asked = Number.NEGATIVE_INFINITY
  let pending = false
  let answer: Promise<T | undefined> = Promise.resolve(undefined)
  return async (): Promise<T | undefined> => {
    if (!pending && performance.now() - asked > FRESH_MS) {
      asked = performance.now()
      pending = true
      answer = ask()
        .catch(() => undefined)
        .finally(() => {
          pending = false
        })
    }
    const late = new Promise<undefined>((resolve) =>
      setTimeout(resolve, SOURCE_DEADLINE_MS, undefined).unref(),
    )
    return Promise.race([answer, late])
  }
}
