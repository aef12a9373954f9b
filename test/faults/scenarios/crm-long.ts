import { setTimeout as pause } from 'node:timers/promises'
import { audit, hurry } from '../audit.ts'
import type { CallRecord } from '../load.ts'
import { NO_RINGS, reportOnly, senderTo } from '../messages.ts'
import { expecting, type Scenario } from '../scenario.ts'
import { until } from '../scope.ts'
import { openWorld, type World } from '../world.ts'
import { deadLetters, NOTES } from './crm.ts'

const DAY_SECONDS = 86_400

/**
 * Repeats what failed without its pauses, until as much time would have passed; answers how often the least
 * repeated was. `dead` ends it.
 */
async function letDayPass(world: World, sessions: number, dead: () => Promise<boolean>): Promise<number> {
  const passed = new Map<string, { seconds: number; times: number }>()
  const over = () =>
    passed.size === sessions && [...passed.values()].every(({ seconds }) => seconds >= DAY_SECONDS)
  await until(
    async () => {
      const done = [...passed].filter(([, { seconds }]) => seconds >= DAY_SECONDS).map(([session]) => session)
      for (const { session, seconds } of await hurry(world, done)) {
        const before = passed.get(session) ?? { seconds: 0, times: 0 }
        passed.set(session, { seconds: before.seconds + seconds, times: before.times + 1 })
      }
      return over() || (await dead())
    },
    240,
    400,
  )
  return over() ? Math.min(...[...passed.values()].map(({ times }) => times)) : 0
}

/** Trouble of the CRM's that outlasts anybody's patience. */
export const longCrmScenarios: Scenario[] = [
  {
    name: 'crm-late',
    title: 'the CRM carries notes out 20 s after they were sent, when nobody waits for the answer any more',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster, instances: 1 })
      try {
        const end = await world.crm.fault({
          match: { method: 'POST', pathPattern: NOTES },
          kind: { type: 'delay', ms: 20_000 },
        })
        const sender = senderTo(world.balancer.url)
        const calls: CallRecord[] = []
        for (const [n, business] of world.businesses.entries())
          calls.push(await reportOnly(sender, business, `+12507779${300 + n}`))
        await sender.close()
        calm()
        await pause(15_000)
        await end()
        // What has been sent by now is there before the first repetition may look.
        await pause(20_000)
        return await audit(world, { calls, rings: NO_RINGS }, { patience: 90 })
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'crm-down-a-day',
    title: 'the CRM takes nothing for a day (the pauses between repetitions are cut short), then everything',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster, instances: 1 })
      try {
        // A refusal of this kind does not open a breaker, whose pauses are real ones.
        const end = await world.crm.fault({ kind: { type: 'status', status: 429 } })
        const sender = senderTo(world.balancer.url)
        const calls: CallRecord[] = []
        for (const [n, business] of world.businesses.entries())
          calls.push(await reportOnly(sender, business, `+12507779${100 + n}`))
        await sender.close()
        calm()
        const times = await letDayPass(world, calls.length, async () => {
          const { jobs } = await deadLetters(world)
          return jobs.length > 0
        })
        const { jobs } = await deadLetters(world)
        await end()
        const findings = await audit(world, { calls, rings: NO_RINGS }, { patience: 60 })
        return {
          ...expecting(findings, { 'a day passed': times > 0, 'nothing was given up': jobs.length === 0 }),
          remark: `each call tried at least ${times} times`,
        }
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'crm-down-backlog',
    title: 'the CRM answers 503 for 40 s while one business has six calls to be noted',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster, businesses: 1, instances: 1 })
      try {
        const [business] = world.businesses
        if (!business) throw new Error('a business is needed')
        const end = await world.crm.fault({ kind: { type: 'status', status: 503 } })
        const sender = senderTo(world.balancer.url)
        const calls: CallRecord[] = []
        for (let n = 0; n < 6; n++) calls.push(await reportOnly(sender, business, `+12507779${200 + n}`))
        await sender.close()
        calm()
        await pause(40_000)
        const [made] = await world.sql<{ jobs: number }[]>`
          select count(*)::int as jobs from pgboss.job where name = 'crm-sync'`
        await end()
        const jobs = made?.jobs ?? 0
        const findings = await audit(world, { calls, rings: NO_RINGS }, { patience: 120 })
        return {
          // The pauses must grow: putting each call off every few seconds makes millions of rows in a day.
          ...expecting(findings, {
            [`four jobs a call at most, and not ${jobs}`]: jobs <= 4 * calls.length,
          }),
          remark: `${jobs} jobs made for ${calls.length} calls`,
        }
      } finally {
        await world.close()
      }
    },
  },
]
