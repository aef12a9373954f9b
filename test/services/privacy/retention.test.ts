import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createRetention } from '../../../services/privacy/retention.ts'
import { createRetentionRepository } from '../../../services/privacy/retention-repository.ts'
import { asOwner, build, type Harness, NOW, type TestClient } from '../../helper.ts'
import { newCaller, tablesWith, WORDS } from './kit.ts'

const signal = () => new AbortController().signal

/** A call of so many days ago, as it is left when all is done. */
async function oldCall(h: Harness, client: Pick<TestClient, 'id'> | undefined, days: number, words: string) {
  const at = NOW.subtract({ hours: 24 * days }).toString()
  const id = randomUUID()
  const sql = asOwner(h.app)
  await sql`
    insert into voice_sessions
      (client_id, vapi_call_id, caller, started_at, ended_at, duration_seconds, transcript, summary, recording_url, context)
    values (${client?.id ?? null}, ${id}, ${newCaller()}, ${at}, ${at}, 60, ${words}, ${words}, ${words},
      ${sql.json({ structuredData: { reason: words }, endedAt: at })})`
  if (!client) return id
  await sql`
    insert into call_events (client_id, vapi_call_id, event_key, type, payload, received_at) values
      (${client.id}, ${id}, 'tool', 'tool-calls',
        ${sql.json({ name: 'take_message', arguments: { message: words }, output: { words }, said: words, ms: 5 })}, ${at}),
      (${client.id}, ${id}, 'report', 'end-of-call-report',
        ${sql.json({ endedReason: 'hung up', structuredData: { words }, successEvaluation: words })}, ${at})`
  await sql`
    insert into tool_runs (client_id, vapi_call_id, tool_call_id, owner, claimed_until, answer)
    values (${client.id}, ${id}, 'tool', ${id}, ${at}, ${sql.json({ words })})`
  await sql`
    insert into call_steps (client_id, vapi_call_id, kind, at, payload)
    values (${client.id}, ${id}, 'assistant', ${at}, ${sql.json({ source: 'cache', caller: words })})`
  return id
}

const due = (h: Harness) =>
  asOwner(h.app)`update retention set due_at = now(), leased_until = null, owner = null`

const retentionOf = (
  { app: { sql } }: Harness,
  change: Partial<Parameters<typeof createRetention>[0]> = {},
) =>
  createRetention({
    repository: createRetentionRepository({ sql }),
    clock: () => NOW,
    log: { info() {}, error() {} },
    ...change,
  })

t.test('words go when their days have passed, and the fact of the call stays', async (t) => {
  const h = await build(t)
  const week = await h.addClient({ settings: { retention_days: 7 } })
  const usual = await h.addClient()
  const odd = await h.addClient({ settings: { retention_days: 'for ever' } })
  const old = [
    await oldCall(h, week, 8, WORDS.said),
    await oldCall(h, usual, 91, WORDS.said),
    await oldCall(h, odd, 91, WORDS.said),
    await oldCall(h, undefined, 91, WORDS.said),
  ]
  for (const [client, days] of [
    [week, 6],
    [usual, 89],
    [odd, 89],
  ] as const)
    await oldCall(h, client, days, 'still said')
  await due(h)
  t.strictSame(await h.app.privacy.retention.run(signal()), { sessions: 4, events: 6, steps: 3, runs: 3 })
  t.strictSame(await tablesWith(h, WORDS.said), [])
  t.strictSame(await tablesWith(h, 'still said'), [
    'call_events',
    'call_steps',
    'tool_runs',
    'voice_sessions',
  ])
  const sql = asOwner(h.app)
  const rows = await sql`
    select caller, started_at, duration_seconds, context from voice_sessions where vapi_call_id = any(${old})`
  t.equal(rows.length, 4)
  for (const row of rows)
    t.match(row, { caller: /^\+1250/, duration_seconds: 60, context: { endedAt: String } })
  const events = await sql`
    select payload from call_events where vapi_call_id = ${old[0] ?? ''} order by event_key`
  t.strictSame(
    events.map(({ payload }) => payload),
    [{ endedReason: 'hung up' }, { ms: 5, name: 'take_message' }],
  )
  t.equal(await h.app.privacy.retention.run(signal()), undefined, 'once a day')
  await due(h)
  t.strictSame(await h.app.privacy.retention.run(signal()), { sessions: 0, events: 0, steps: 0, runs: 0 })
})

t.test('one instance at a time, in batches, and what was cut off is gone on with', async (t) => {
  const h = await build(t)
  const client = await h.addClient({ settings: { retention_days: 1 } })
  for (let n = 0; n < 7; n += 1) await oldCall(h, client, 2, WORDS.said)
  await due(h)
  const real = createRetentionRepository({ sql: h.app.sql })
  let batches = 0
  const dying = retentionOf(h, {
    batch: 2,
    repository: {
      ...real,
      stripSessions: (...args) => {
        if (args[0] === client.id) batches += 1
        return batches === 3 ? Promise.reject(new Error('killed')) : real.stripSessions(...args)
      },
      release: async () => {},
    },
  })
  t.strictSame(await dying.run(signal()), { sessions: 4, events: 0, steps: 0, runs: 0 })
  t.equal(await retentionOf(h).run(signal()), undefined, 'whoever died may still be at it')
  await due(h)
  const both = await Promise.all([
    retentionOf(h, { batch: 2 }).run(signal()),
    retentionOf(h, { batch: 2 }).run(signal()),
  ])
  t.strictSame(both.filter(Boolean), [{ sessions: 3, events: 14, steps: 7, runs: 7 }])
  t.strictSame(await tablesWith(h, WORDS.said), [])
})
