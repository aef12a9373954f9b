import { setTimeout as pause } from 'node:timers/promises'
import { audit } from '../audit.ts'
import { type CallRecord, during } from '../load.ts'
import { about, NO_RINGS, recordOf, reportOf, reportOnly, senderTo } from '../messages.ts'
import { expecting, type Scenario } from '../scenario.ts'
import { until } from '../scope.ts'
import { type Business, openWorld, type World } from '../world.ts'

const FLOOD = 10_000
/**
 * How much longer than on an idle system a client's note may take while another has 10,000 jobs queued: its own
 * share of the workers, plus the two looks at the queue that it may just have missed.
 */
const FACTOR = 5
const EXTRA_MS = 3_000

/** Reports one call after the other; how long each took until its note was there, in milliseconds. */
async function noteTimes(world: World, business: Business, from: number, count: number) {
  const sender = senderTo(world.balancer.url)
  const calls: CallRecord[] = []
  const times: number[] = []
  for (let n = 0; n < count; n++) {
    const begun = performance.now()
    const call = await reportOnly(sender, business, `+1250777${String(from + n).padStart(4, '0')}`)
    calls.push(call)
    const noted = async () => {
      const { contacts } = await world.crm.location(business.locationId)
      return contacts.some(({ notes }) => notes.some(({ body }) => body.includes(call.id)))
    }
    await until(noted, 60, 20)
    times.push(performance.now() - begun)
  }
  await sender.close()
  return { calls, times: times.sort((a, b) => a - b) }
}

/** One client's calls begin all at once. Answers how many were acknowledged. */
async function flood(world: World, business: Business): Promise<number> {
  const sender = senderTo(world.balancer.url)
  let taken = 0
  let next = 0
  const one = async () => {
    while (next < FLOOD) {
      const n = next++
      const caller = `+1236${String(2_000_000 + n)}`
      const message = about(business, `flood-${n}`, caller, 'status-update', { status: 'ringing' })
      while ((await sender.send(message)) !== 200) await pause(100)
      taken += 1
    }
  }
  await Promise.all(Array.from({ length: 32 }, one))
  await sender.close()
  return taken
}

const openJobs = async ({ sql }: World, clientId: string) => {
  const [row] = await sql<{ jobs: number }[]>`
    select (select count(*) from outbox where client_id = ${clientId})::int + count(*)::int as jobs from pgboss.job
    where name = 'crm-sync' and state in ('created', 'retry', 'active') and data ->> 'clientId' = ${clientId}`
  return row?.jobs ?? 0
}

export const queueScenarios: Scenario[] = [
  {
    name: 'flood',
    title: `${FLOOD} queued jobs of one client beside one of another`,
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster })
      const [loud, quiet] = world.businesses
      try {
        if (!loud || !quiet) throw new Error('two businesses are needed')
        await world.crm.fault({ match: { locationId: loud.locationId }, kind: { type: 'delay', ms: 200 } })
        const idle = await noteTimes(world, quiet, 0, 10)
        const taken = await flood(world, loud)
        const queued = await openJobs(world, loud.id)
        const busy = await noteTimes(world, quiet, 100, 10)
        const left = await openJobs(world, loud.id)
        calm()
        const [stored] = await world.sql<{ sessions: number }[]>`
          select count(*)::int as sessions from voice_sessions where client_id = ${loud.id}`
        const [idleMs, busyMs] = [idle.times[5] ?? 0, busy.times.at(-1) ?? Number.POSITIVE_INFINITY]
        const bound = FACTOR * idleMs + EXTRA_MS
        const findings = await audit(
          { ...world, sql: world.sql, businesses: [quiet] } as World,
          { calls: [...idle.calls, ...busy.calls], rings: NO_RINGS },
          // The loud one's jobs go on behind this for long.
          { rest: false },
        )
        return {
          ...expecting(findings, {
            'every message of the flood is stored': taken === FLOOD && stored?.sessions === FLOOD,
            'the flood was still queued': left > FLOOD / 10,
            [`a note of the other within ${Math.round(bound)} ms (was ${Math.round(busyMs)} ms)`]:
              busyMs <= bound,
          }),
          remark:
            `note after ${Math.round(idleMs)} ms idle, ${Math.round(busy.times[5] ?? 0)} ms (at most ` +
            `${Math.round(busyMs)} ms) beside ${queued} to ${left} queued`,
        }
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'fifty-reports',
    title: 'fifty identical reports at once, over two instances, for five calls',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster, businesses: 1 })
      try {
        const [business] = world.businesses
        if (!business) throw new Error('a business is needed')
        const senders = world.instances.map(({ url }) => senderTo(url, 25))
        const calls = Array.from({ length: 5 }, (_, n) => recordOf(business, `+125077788${10 + n}`))
        let answered = 0
        for (const call of calls) {
          const body = reportOf(business, call.id, call.caller, call.summary)
          const statuses = await Promise.all(
            Array.from({ length: 50 }, (_, n) => senders[n % senders.length]?.send(body)),
          )
          answered += statuses.filter((status) => status === 200).length
          if (statuses.includes(200)) call.acknowledged.add('end-of-call-report')
        }
        for (const sender of senders) await sender.close()
        calm()
        const findings = await audit(world, { calls, rings: NO_RINGS })
        const events = await world.sql`select from call_events where type = 'end-of-call-report'`
        return expecting(findings, {
          [`all 250 were answered with 200, and not ${answered}`]: answered === 250,
          'one event for each call': events.length === calls.length,
        })
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'calm',
    title: 'nothing is broken: what the other rows are to be held against',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster })
      try {
        const load = await during(world, 5, async () => {})
        calm()
        return await audit(world, load)
      } finally {
        await world.close()
      }
    },
  },
]
