import t from 'tap'
import { NotSent, UpstreamError } from '../../../services/upstream.ts'
import { eventually } from '../../helper.ts'
import { startWorld } from './governed.ts'

const settled = (work: Promise<unknown>) => work.catch((error) => error)

t.test("one client's CRM hangs with 50 calls waiting, another's answers as ever", async (t) => {
  const world = await startWorld(t)
  const [slow, quick] = [await world.addClient(), await world.addClient()]
  const { look } = world.instance({ attemptDeadlineMs: 30_000 })
  const timed = async () => {
    const times: number[] = []
    for (let round = 0; round < 20; round += 1) {
      const begun = performance.now()
      await look(quick)
      times.push(performance.now() - begun)
    }
    return times.sort((a, b) => a - b)[10] ?? 0
  }
  await timed()
  const alone = await timed()
  world.crm.fault({ match: { locationId: slow.locationId }, kind: { type: 'hang' } })
  const gone = new AbortController()
  const hanging = Array.from({ length: 50 }, () => settled(look(slow, { signal: gone.signal })))
  const underWay = () =>
    world.crm.exchanges.filter(({ request }) => request.query.locationId === slow.locationId).length
  await eventually(() => underWay() === 8, 'as many connections as one client may have')
  const beside = await timed()
  t.comment(`alone ${alone.toFixed(2)} ms, beside ${beside.toFixed(2)} ms: ${(beside / alone).toFixed(2)}`)
  t.equal(underWay(), 8, 'the others wait for their turn, not for a connection')
  // Far below what it would be if it waited for any of them, far above what a busy machine does to a median.
  t.ok(beside < alone * 5 + 20, 'no slower')
  gone.abort()
  t.ok((await Promise.all(hanging)).every((error) => error instanceof UpstreamError))
})

t.test('a CRM that fails is left alone, by that client only', async (t) => {
  const world = await startWorld(t)
  const [failing, other] = [await world.addClient(), await world.addClient()]
  const { look, states } = world.instance()
  const mend = world.crm.fault({
    match: { locationId: failing.locationId },
    kind: { type: 'status', status: 503 },
  })
  // Each is sent twice.
  for (let count = 0; count < 5; count += 1) await settled(look(failing))
  t.strictSame(states(), ['open'])
  const sent = world.crm.exchanges.length
  const error = await settled(look(failing, { priority: 'background' }))
  t.match(
    error,
    { held: 'open', retryAfterSeconds: Number, outcome: 'none' },
    'a job is told when to come back',
  )
  t.equal(world.crm.exchanges.length, sent)
  t.equal(await look(other), undefined)
  mend()
  await eventually(async () => (await settled(look(failing))) === undefined, 'it to be asked again')
  t.ok(states().every((state) => state === 'closed'))
})

t.test("a location's limit is never reached, and what nobody waits for takes half of it", async (t) => {
  const world = await startWorld(t)
  const [busy, other] = [await world.addClient(), await world.addClient()]
  const { look } = world.instance()
  const jobs = await Promise.all(
    Array.from({ length: 18 }, async () => {
      const outcomes = []
      // One after the other, as a worker does.
      for (let count = 0; count < 4; count += 1)
        outcomes.push(await settled(look(busy, { priority: 'background' })))
      return outcomes
    }),
  )
  const limited = jobs.flat().filter((error) => error !== undefined)
  t.equal(jobs.flat().length - limited.length, 40)
  t.ok(
    limited.every((error) => error instanceof NotSent && error.held === 'limited' && error.retryAfterSeconds),
  )
  const live = await Promise.all(Array.from({ length: 30 }, () => settled(look(busy))))
  t.ok(
    live.every((error) => error === undefined),
    'whoever phones finds room',
  )
  t.equal(await settled(look(other, { priority: 'background' })), undefined, 'nor is another client delayed')
  const statuses = world.crm.exchanges.map(({ response }) => response?.status)
  t.ok(
    statuses.every((status) => status === 200),
    'GHL never had to say so',
  )
})

t.test('clients that share a location share its limit', async (t) => {
  const world = await startWorld(t)
  const first = await world.addClient()
  const second = { ...(await world.addClient()), token: first.token, locationId: first.locationId }
  const { look } = world.instance()
  const jobs = [first, second].flatMap((client) =>
    Array.from({ length: 18 }, async () => {
      const outcomes = []
      for (let count = 0; count < 2; count += 1)
        outcomes.push(await settled(look(client, { priority: 'background' })))
      return outcomes
    }),
  )
  const outcomes = (await Promise.all(jobs)).flat()
  t.equal(outcomes.filter((error) => error === undefined).length, 40)
})

t.test('what was held back is not sent a second time', async (t) => {
  const world = await startWorld(t)
  const client = await world.addClient()
  const { look } = world.instance()
  world.crm.fault({ times: 1, kind: { type: 'status', status: 401 } })
  await settled(look(client))
  t.match(await settled(look(client)), { held: 'paused' })
  t.equal(world.crm.exchanges.length, 1)
})
