import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { asOwner, build, eventually, type Harness, TOKEN } from '../helper.ts'
import { addressOf } from '../mcp.ts'

/** Requests that are under way at any time, and how many pass in each phase of a rotation. */
const STREAMS = 4
const PER_PHASE = 16

async function post(h: Harness, headers: Record<string, string>, message: object) {
  const response = await request(`${await addressOf(h.app)}/vapi/webhooks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ message }),
  })
  return { status: response.statusCode, body: (await response.body.json()) as Record<string, unknown> }
}

/** Calls `once` again and again, several times at once, until it is stopped. What it answers is a failure. */
function stream(t: Test, once: () => Promise<unknown>) {
  const failures: unknown[] = []
  let passed = 0
  let stopped = false
  const running = Array.from({ length: STREAMS }, async () => {
    while (!stopped) {
      const failure = await once().catch((error: unknown) => error)
      if (failure !== undefined) failures.push(failure)
      else passed += 1
    }
  })
  const stop = async () => {
    stopped = true
    await Promise.all(running)
  }
  t.teardown(stop)
  return {
    failures,
    stop,
    /** Lets so many pass that all that was under way before has ended. */
    async phase(what: string) {
      const until = passed + PER_PHASE
      await eventually(() => passed >= until || failures.length > 0, what, 60)
    },
    get passed() {
      return passed
    },
  }
}

/** Takes turns, as a load balancer does. */
function rotor<T>(items: readonly T[]): () => T {
  let turn = 0
  return () => items[turn++ % items.length] as T
}

t.test('the webhook token is rotated under load, instance by instance', async (t) => {
  const NEXT = 'the-next-webhook-token'
  const instance = (tokens: string) => build(t, { env: { VAPI_WEBHOOK_TOKEN: tokens } })
  const first = await instance(TOKEN)
  const { number } = await first.addClient()
  let sent = TOKEN
  let pick = rotor([first])
  const load = stream(t, async () => {
    const call = { id: randomUUID() }
    const answer = await post(
      pick(),
      { authorization: `Bearer ${sent}` },
      { type: 'status-update', status: 'in-progress', call, phoneNumber: { number } },
    )
    return answer.status === 200 ? undefined : answer
  })
  await load.phase('the old token')
  const both = await instance(`${NEXT},${TOKEN}`)
  pick = rotor([first, both])
  await load.phase('some instances that know the new one')
  pick = rotor([both])
  await load.phase('all of them')
  await first.close()
  sent = NEXT
  await load.phase('the new token')
  const last = await instance(NEXT)
  pick = rotor([both, last])
  await load.phase('some instances that have forgotten the old one')
  pick = rotor([last])
  await load.phase('all of them')
  await both.close()
  await load.stop()
  t.strictSame(load.failures, [], `${load.passed} messages, not one refused`)
  const old = await post(last, { authorization: `Bearer ${TOKEN}` }, { type: 'hang' })
  t.equal(old.status, 401, 'and the old one is worth nothing')
})

t.test('the key of call tokens is rotated under load, on several instances', async (t) => {
  const instance = () => build(t, { overrides: { callTokens: { refreshMs: 100 } } })
  const instances = await Promise.all([instance(), instance()])
  const [one] = instances
  const { number } = await one.addClient()
  const sql = asOwner(one.app)
  const pick = rotor(instances)
  let kid = ''
  const load = stream(t, async () => {
    const call = { id: randomUUID() }
    const rung = await post(
      pick(),
      { authorization: `Bearer ${TOKEN}` },
      { type: 'assistant-request', call, phoneNumber: { number } },
    )
    const { assistant } = rung.body as { assistant?: { server: { headers?: Record<string, string> } } }
    const token = assistant?.server.headers?.['x-call-token']
    if (!token) return rung
    kid = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
    for (const each of instances) {
      const answer = await post(
        each,
        { 'x-call-token': token },
        { type: 'tool-calls', toolCallList: [{ id: randomUUID(), name: 'none' }] },
      )
      if (answer.status !== 200) return answer
    }
    return undefined
  })
  await load.phase('the first key')
  const first = kid
  // Old enough to sign at once, wherever it is read first: the others have not heard of it.
  const [second] = await sql<{ id: string }[]>`
    insert into signing_keys (purpose, secret, created_at)
    values ('call-token', ${randomUUID() + randomUUID()}, now() - interval '1 hour') returning id::text`
  await load.phase('both keys')
  await eventually(() => kid === second?.id, 'the new key to sign')
  // All instances have read it, and what the old one signed has been used.
  await load.phase('the new key alone')
  await sql`delete from signing_keys where id = ${Number(first)}`
  await load.phase('the old one gone')
  await load.stop()
  t.strictSame(load.failures, [], `${load.passed} calls, not one refused`)
  t.equal(kid, second?.id)
})
