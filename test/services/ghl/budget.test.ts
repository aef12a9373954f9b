import fc from 'fast-check'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createBudget } from '../../../services/ghl/budget.ts'
import { NotSent } from '../../../services/upstream.ts'
import { eventually } from '../../helper.ts'

const REDIS_URL = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'

type Budget = ReturnType<typeof createBudget>
type Ask = Partial<Parameters<Budget['turn']>[0]>

let locations = 0
const newLocation = () => `budget-test-${process.pid}-${++locations}`

/** Whether it is allowed, or in how many seconds; who asks does not wait. */
async function ask(budget: Budget, turn: Ask & { locationId: string }): Promise<'sent' | number | undefined> {
  const given = {
    operation: 'GET /a',
    priority: 'live' as const,
    signal: new AbortController().signal,
    ...turn,
  }
  try {
    await budget.turn(given)
    return 'sent'
  } catch (error) {
    return error instanceof NotSent ? error.retryAfterSeconds : Promise.reject(error)
  }
}

async function sent(budget: Budget, count: number, turn: Ask & { locationId: string }) {
  const all = await Promise.all(Array.from({ length: count }, () => ask(budget, turn)))
  return all.filter((each) => each === 'sent').length
}

t.test('80 requests in 10 s for a location; 40 for what nobody waits for', async (t) => {
  const budget = createBudget()
  const locationId = newLocation()
  t.equal(await sent(budget, 60, { locationId, priority: 'background' }), 40)
  t.equal(await sent(budget, 60, { locationId }), 40, 'who phones finds the other half')
  const wait = await ask(budget, { locationId })
  t.ok(typeof wait === 'number' && wait >= 1 && wait <= 10, `told to come back in ${wait} s`)
  t.equal(await ask(budget, { locationId: newLocation() }), 'sent', 'another location')
})

t.test('never more than 80 in any 10 s, whenever they come', async (t) => {
  // Bursts of any size at any distance; who would have to wait does not.
  const bursts = fc.array(fc.tuple(fc.integer({ min: 0, max: 6_000 }), fc.integer({ min: 1, max: 90 })), {
    minLength: 5,
    maxLength: 30,
  })
  let refused = 0
  const property = fc.asyncProperty(bursts, async (steps) => {
    let clock = 0
    const budget = createBudget({ now: () => clock })
    const locationId = newLocation()
    const times: number[] = []
    for (const [pause, count] of steps) {
      clock += pause
      const allowed = await sent(budget, count, { locationId, signal: AbortSignal.abort() })
      const before = times.filter((time) => time > clock - 10_000).length
      refused += count - allowed
      times.push(...Array.from({ length: allowed }, () => clock))
      if (before + allowed > 80) return false
      // Nor fewer than there is room for: what was refused does not count.
      if (allowed < Math.min(count, 80 - before)) return false
    }
    return true
  })
  await fc.assert(property, { numRuns: 50 })
  t.ok(refused > 0, 'and there were too many')
})

t.test('who waits is sent when there is room; who does not want to any more is not', async (t) => {
  const budget = createBudget({ perMs: 200 })
  const locationId = newLocation()
  t.equal(await sent(budget, 80, { locationId }), 80)
  t.equal(await ask(budget, { locationId }), 'sent', 'a little later')
  const full = createBudget({ now: () => 0 })
  await sent(full, 80, { locationId })
  const turn = { locationId, operation: 'GET /a', priority: 'live' as const, signal: AbortSignal.abort() }
  t.match(await full.turn(turn).catch((error) => error), { held: 'cancelled', outcome: 'none' })
})

t.test('a job that would have to wait comes back later', async (t) => {
  const budget = createBudget()
  const locationId = newLocation()
  await sent(budget, 40, { locationId, priority: 'background' })
  const begun = performance.now()
  const error = await budget
    .turn({ locationId, operation: 'GET /a', priority: 'background', signal: new AbortController().signal })
    .catch((error) => error)
  t.match(error, {
    held: 'limited',
    status: 429,
    outcome: 'none',
    retryable: true,
    retryAfterSeconds: Number,
  })
  t.ok(performance.now() - begun < 1_000, 'and keeps no worker meanwhile')
  t.equal(error.toAppError().code, 'CRM_UNAVAILABLE')
})

t.test('after a 429 of GHL itself only live requests go on', async (t) => {
  const budget = createBudget()
  const locationId = newLocation()
  budget.exhausted(locationId, 7)
  t.equal(await ask(budget, { locationId, priority: 'background' }), 7)
  t.equal(await ask(budget, { locationId }), 'sent')
})

/** A connection as the server has it. */
async function connect(t: Test, url: string): Promise<Redis> {
  const redis = new Redis(url, { lazyConnect: true, enableOfflineQueue: false, commandTimeout: 1_000 })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  await redis.connect().catch(() => {})
  return redis
}

t.test(
  'instances count together where there is Redis, and each for itself where there is none',
  async (t) => {
    const [one, other] = [await connect(t, REDIS_URL), await connect(t, REDIS_URL)]
    // Both halves say something: with Redis the limit is one, without it there are two.
    const shared = one.status === 'ready' && other.status === 'ready'
    const expected = shared ? 80 : 160
    const locationId = newLocation()
    const budgets = [createBudget({ redis: one }), createBudget({ redis: other })]
    const counts = await Promise.all(budgets.map((budget) => sent(budget, 100, { locationId })))
    t.equal((counts[0] ?? 0) + (counts[1] ?? 0), expected, `${counts.join(' and ')}, Redis: ${shared}`)
    if (shared) {
      const ttl = await one.pttl(`ghl:${locationId}`)
      t.ok(ttl > 0 && ttl <= 10_000, 'what is noted there does not stay')
    }
  },
)

t.test('a Redis that is away, or goes away, is neither an error nor waited for', async (t) => {
  const nobody = await connect(t, 'redis://127.0.0.1:1')
  t.not(nobody.status, 'ready')
  t.equal(await sent(createBudget({ redis: nobody }), 100, { locationId: newLocation() }), 80)

  let asked = 0
  const dying = {
    status: 'ready' as const,
    eval: async () => {
      asked += 1
      if (asked > 30) throw new Error('Command timed out')
      return 0
    },
  }
  const budget = createBudget({ redis: dying })
  const locationId = newLocation()
  for (let count = 0; count < 80; count += 1) t.equal(await ask(budget, { locationId }), 'sent')
  t.equal(asked, 31, 'it is left alone for a while')
  t.type(await ask(budget, { locationId }), 'number', 'what was sent with it counts without it')
  await eventually(async () => {
    await ask(budget, { locationId: newLocation() })
    return asked > 31
  }, 'it to be tried again')
})
