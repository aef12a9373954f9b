import { setTimeout as pause } from 'node:timers/promises'
import type { FaultKind } from '../../../sandbox/crm/server.ts'
import { audit } from '../audit.ts'
import { during } from '../load.ts'
import { expecting, type Scenario } from '../scenario.ts'
import { until } from '../scope.ts'
import { openWorld, type World } from '../world.ts'

export const NOTES = '^/contacts/[^/]+/notes$'
/** What the server writes to the CRM while a call goes on, and after it. */
const WRITES = ['^/contacts/upsert$', NOTES, '^/calendars/events/appointments$']

/** A scenario in which the CRM misbehaves for some seconds in the middle of the load. */
function troubled(name: string, title: string, seconds: number, kind: FaultKind): Scenario {
  return {
    name,
    title,
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster })
      try {
        const load = await during(world, 0, async () => {
          await pause(1_000)
          const end = await world.crm.fault({ kind })
          await pause(seconds * 1_000)
          await end()
          await pause(2_000)
        })
        calm()
        return await audit(world, load)
      } finally {
        await world.close()
      }
    },
  }
}

export const deadLetters = (world: World) =>
  world.operate('GET', '/jobs?state=dead&limit=200') as Promise<{
    jobs: { session?: string; cause: string | null }[]
  }>

export const crmScenarios: Scenario[] = [
  troubled('crm-500', 'the CRM answers 500 for 6 s', 6, { type: 'status', status: 500 }),
  troubled('crm-429', 'the CRM answers 429 with Retry-After: 2 for 6 s', 6, {
    type: 'rate-limit',
    retryAfterSeconds: 2,
  }),
  troubled('crm-hang', 'the CRM takes requests and does not answer for 6 s', 6, { type: 'hang' }),
  {
    name: 'crm-drop-after-commit',
    title: 'the CRM carries out every third write and cuts the connection before the answer',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster })
      try {
        let dropped = 0
        const load = await during(
          world,
          0,
          async () => {
            for (let round = 0; round < 40; round++) {
              for (const pathPattern of WRITES) {
                dropped += 1
                await world.crm.fault({
                  match: { method: 'POST', pathPattern },
                  times: 1,
                  kind: { type: 'drop-after-commit' },
                })
              }
              await pause(250)
            }
            await world.crm.clearFaults()
          },
          { bookEvery: 2 },
        )
        calm()
        return { ...(await audit(world, load, { patience: 60 })), remark: `up to ${dropped} answers cut off` }
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'poisoned-job',
    title: 'the CRM refuses the note of one contact for good (422)',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster, instances: 1 })
      try {
        const load = await during(
          world,
          5,
          async ({ calls }) => {
            const [business] = world.businesses
            if (!business) return
            let contact: { id: string } | undefined
            await until(
              async () => {
                const { contacts } = await world.crm.location(business.locationId)
                contact = contacts.find(({ phone }) => phone === calls[0]?.caller)
                return contact
              },
              20,
              20,
            )
            await world.crm.fault({
              match: { method: 'POST', path: `/contacts/${contact?.id}/notes` },
              kind: { type: 'status', status: 422 },
            })
          },
          // The first call must not be over before its contact is found.
          { paceMs: 1_000, bookEvery: 0 },
        )
        calm()
        const [first] = load.calls
        const poisoned = load.calls.filter(
          ({ caller, business }) => caller === first?.caller && business === first.business,
        )
        const without = new Set(poisoned.map(({ id }) => id))
        const findings = await audit(world, load, { without })
        const sessions = await world.sql<{ id: string }[]>`
          select id from voice_sessions where vapi_call_id = any(${[...without]})`
        const letters = (await deadLetters(world)).jobs
        const dead = new Set(letters.map(({ session }) => session))

        // Brought back twice, what was given up is done once.
        await world.crm.clearFaults()
        const moved: number[] = []
        for (let times = 0; times < 2; times++)
          moved.push((await world.operate('POST', '/jobs/retry', {})).moved)
        const replayed = await audit(world, load)
        return {
          ...expecting(replayed, {
            'nothing else was wrong before': findings.objections.length === 0,
            'the poisoned calls, and no others, are dead letters':
              dead.size === sessions.length && sessions.every(({ id }) => dead.has(id)),
            'each says why': letters.every(({ cause }) => /422/.test(cause ?? '')),
            'all others were synced without them': findings.inCrm === findings.acknowledged - without.size,
            'the second replay found nothing': moved[0] === letters.length && moved[1] === 0,
          }),
          remark: `${letters.length} dead letters, brought back: in the CRM once`,
        }
      } finally {
        await world.close()
      }
    },
  },
]
