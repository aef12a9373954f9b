import t from 'tap'
import { createLanes, type LaneOptions, type LaneState } from '../../services/lanes.ts'
import { NotSent, UpstreamError } from '../../services/upstream.ts'
import { eventually } from '../helper.ts'

/** So many, and a lane is closed; one fewer is a bad moment. */
const FAILURES = 10

const signal = () => new AbortController().signal
const fails = (status?: number) => async () => {
  throw new UpstreamError('GET /a', 'failed', { outcome: 'unknown', ...(status && { status }) })
}
const works = async () => 'answer'

function make(options: Partial<LaneOptions> = {}) {
  const changes: string[] = []
  const lanes = createLanes({
    kind: 'test',
    onStateChange: ({ key, state }) => void changes.push(`${key} ${state}`),
    ...options,
  })
  const run = (key: string, work: () => Promise<unknown>, more: object = {}) =>
    lanes.run({ key, operation: 'GET /a', signal: signal(), ...more }, work)
  /** What became of it: the answer, why it was held back, or `failed`. */
  const outcome = (...args: Parameters<typeof run>): Promise<unknown> =>
    run(...args).catch((error) => (error instanceof NotSent ? error.held : 'failed'))
  const states = () => [...lanes.states()].map(({ state }) => state)
  return { run, outcome, changes, states }
}

t.test('a few failures close no lane, however quiet the client is', async (t) => {
  const { outcome, states } = make()
  for (let count = 0; count < FAILURES - 1; count += 1) t.equal(await outcome('a', fails()), 'failed')
  t.strictSame(states(), ['closed'], 'the only requests there were')
  t.equal(await outcome('a', works), 'answer')
})

t.test('many failures close the lane of that client, and of no other', async (t) => {
  const { outcome, changes, run } = make()
  for (let count = 0; count < FAILURES; count += 1) await outcome('a', fails(503))
  t.strictSame(changes, ['a open'])
  let sent = 0
  const work = async () => {
    sent += 1
  }
  const held = await run('a', work).catch((error) => error)
  if (!(held instanceof NotSent)) return t.fail('it was sent')
  t.match(held, { held: 'open', outcome: 'none', retryable: true })
  t.match(String(held.retryAfterSeconds), /^[1-5]$/, 'says when to come back')
  t.equal(held.toAppError().code, 'CRM_UNAVAILABLE')
  t.equal(sent, 0, 'nothing left')
  t.equal(await outcome('b', works), 'answer')
})

t.test('what is no failure: refusals, limits, and whoever hangs up', async (t) => {
  const { outcome, states } = make()
  for (const status of [400, 401, 404, 422, 429])
    for (let count = 0; count < 4; count += 1) await outcome('a', fails(status))
  for (let count = 0; count < 8; count += 1) {
    const gone = new AbortController()
    const leaves = async () => {
      gone.abort()
      return fails()()
    }
    t.equal(await outcome('a', leaves, { signal: gone.signal }), 'failed')
  }
  t.strictSame(states(), ['closed'])
})

t.test('one request finds out whether it goes on; the others do not wait for it', async (t) => {
  const { outcome, changes } = make({ openMs: 30 })
  for (let count = 0; count < FAILURES; count += 1) await outcome('a', fails())
  const probe = Promise.withResolvers<unknown>()
  const slow = await eventually(async () => {
    const under = outcome('a', () => probe.promise)
    const first = await Promise.race([under, new Promise((resolve) => setImmediate(resolve, 'under way'))])
    return first === 'under way' && { under }
  }, 'a request that is let through')
  t.equal(await outcome('a', works), 'open', 'while it is out')
  probe.reject(new UpstreamError('GET /a', 'failed', { outcome: 'unknown' }))
  t.equal(await slow.under, 'failed')
  t.strictSame(changes, ['a open', 'a half-open', 'a open'])
  await eventually(async () => (await outcome('a', works)) === 'answer', 'the lane to open')
  t.equal(changes.at(-1), 'a closed')

  for (let count = 0; count < FAILURES; count += 1) await outcome('a', fails())
  await eventually(async () => {
    const gone = new AbortController()
    const leaves = async () => {
      gone.abort()
      return fails()()
    }
    return (await outcome('a', leaves, { signal: gone.signal })) === 'failed'
  }, 'another to be let through')
  t.equal(changes.at(-1), 'a open' satisfies `a ${LaneState}`, 'who hung up has found nothing out')
})

t.test('so many at once, so many waiting, and nobody longer than he wants', async (t) => {
  const { outcome } = make({ live: { atOnce: 2, waiting: 2 }, background: { atOnce: 1, waiting: 1 } })
  const gate = Promise.withResolvers<string>()
  let under = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++under)
    await gate.promise
    under -= 1
    return 'done'
  }
  const gone = new AbortController()
  const all = [
    outcome('a', work),
    outcome('a', work),
    outcome('a', work),
    outcome('a', work, { signal: gone.signal }),
  ]
  t.equal(await outcome('a', work), 'busy', 'the fifth')
  gone.abort()
  t.equal(await all[3], 'cancelled', 'left the queue while the others are still at it')
  t.equal(await outcome('b', works), 'answer', 'another client')
  t.equal(
    await outcome('a', works, { priority: 'background' }),
    'answer',
    'its background has room of its own',
  )
  gate.resolve('')
  t.strictSame(await Promise.all(all.slice(0, 3)), ['done', 'done', 'done'])
  t.equal(most, 2)
})

t.test('those who wait in a lane that closes are not sent after the others', async (t) => {
  const { outcome } = make({ live: { atOnce: FAILURES, waiting: 50 } })
  const gate = Promise.withResolvers<never>()
  gate.promise.catch(() => {})
  let sent = 0
  const work = () => {
    sent += 1
    return gate.promise
  }
  const all = Array.from({ length: 40 }, () => outcome('a', work))
  gate.reject(new UpstreamError('GET /a', 'no answer', { outcome: 'unknown' }))
  const outcomes = await Promise.all(all)
  t.equal(sent, FAILURES)
  t.equal(outcomes.filter((each) => each === 'open').length, 40 - FAILURES)
})
