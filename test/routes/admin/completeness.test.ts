import t, { type Test } from 'tap'
import { createCompleteness, type SyncJobState } from '../../../services/calls/completeness.ts'
import { createCompletenessRepository } from '../../../services/calls/completeness-repository.ts'
import { ADMIN_TOKEN, asOwner, build, eventually, type Harness, NOW } from '../../helper.ts'

interface Report {
  vapi_checked_until: string | null
  calls: number
  complete: number
  days: {
    client_id: string
    date: string
    timezone: string
    calls: number
    complete: number
    open: { call_id: string; reason: string; cause?: string; attempts?: number; next_try_at?: string }[]
    unlisted: number
  }[]
}

async function bench(t: Test) {
  const harness = await build(t)
  const ask = async (query: string) => {
    const answer = await harness.app.inject({
      method: 'GET',
      url: `/admin/completeness${query}`,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    })
    return { code: answer.statusCode, report: answer.json() as Report, body: answer.json() as object }
  }
  return { ...harness, ask }
}

let calls = 0

/** A call as the tables hold it; ended, reported and synced ten minutes after its start unless it is said otherwise. */
async function addCall(
  { app }: Pick<Harness, 'app'>,
  clientId: string,
  startedAt: Temporal.Instant,
  change: { status?: string; endedAt?: Temporal.Instant | null; reported?: boolean; synced?: boolean } = {},
) {
  calls += 1
  const {
    status = 'ended',
    endedAt = startedAt.add({ minutes: 5 }),
    reported = true,
    synced = reported,
  } = change
  const sql = asOwner(app)
  const id = `done-${calls}`
  const rows = await sql<{ id: string }[]>`
    insert into voice_sessions (client_id, vapi_call_id, caller, started_at, ended_at, status, reported_at)
    values (${clientId}, ${id}, '+12505550188', ${startedAt.toString()}::text::timestamptz,
      ${endedAt?.toString() ?? null}::text::timestamptz, ${status}, case when ${reported} then now() end)
    returning id`
  const sessionId = rows[0]?.id ?? ''
  if (synced)
    await sql`
      insert into crm_syncs (client_id, voice_session_id, synced_at) values (${clientId}, ${sessionId}, now())`
  return { id, sessionId }
}

t.test('a call that went well is complete; so is one of somebody who withheld his number', async (t) => {
  const { addClient, call, ask } = await bench(t)
  const client = await addClient()
  const ann = await call(client)
  await ann.ring()
  await ann.status('ended', { endedReason: 'customer-ended-call' })
  const query = `?client=${client.id}&from=2026-08-21&to=2026-08-21`
  t.match((await ask(query)).report, {
    calls: 1,
    complete: 0,
    days: [{ open: [{ call_id: ann.callId, reason: 'awaiting-report' }], unlisted: 0 }],
  })
  await ann.report({ transcript: 'AI: Hello.', summary: 'Wants a quote.' })
  const shy = await call(client, { caller: 'anonymous' })
  await shy.report({ transcript: 'AI: Hello.', summary: 'Wrong number.' })
  const done = await eventually(async () => {
    const { report } = await ask(query)
    return report.complete === 2 ? report : undefined
  }, 'both to be synced')
  t.match(done, {
    calls: 2,
    days: [
      {
        client_id: client.id,
        date: '2026-08-21',
        timezone: 'America/Vancouver',
        calls: 2,
        complete: 2,
        open: [],
      },
    ],
  })
})

t.test(
  "days are the client's own, also where clocks change, and a zone nobody knows has those of UTC",
  async (t) => {
    const b = await bench(t)
    const angeles = await b.addClient({ timezone: 'America/Los_Angeles' })
    const auckland = await b.addClient({ timezone: 'Pacific/Auckland' })
    const nowhere = await b.addClient({ timezone: 'Mars/Olympus' }, { timezone: 'UTC' })
    const at = Temporal.Instant.from('2026-08-21T06:30:00Z')
    for (const { id } of [angeles, auckland, nowhere]) await addCall(b, id, at)
    const { report } = await b.ask('?from=2026-08-01&to=2026-08-31')
    const dayOf = (id: string) =>
      report.days.filter(({ client_id }) => client_id === id).map(({ date }) => date)
    t.strictSame(dayOf(angeles.id), ['2026-08-20'])
    t.strictSame(dayOf(auckland.id), ['2026-08-21'])
    t.strictSame(dayOf(nowhere.id), ['2026-08-21'])
    // 25 hours: clocks go back.
    for (const time of ['2026-11-01T07:00:00Z', '2026-11-02T07:59:59Z', '2026-11-02T08:00:00Z'])
      await addCall(b, angeles.id, Temporal.Instant.from(time))
    t.match((await b.ask(`?client=${angeles.id}&from=2026-11-01&to=2026-11-01`)).report, { calls: 2 })
    await addCall(b, angeles.id, NOW.subtract({ hours: 24 }))
    t.match((await b.ask(`?client=${angeles.id}`)).report, { calls: 2, days: [{ date: '2026-08-20' }] })
  },
)

t.test('each call that is not complete says why', async (t) => {
  const b = await bench(t)
  const client = await b.addClient()
  const later = NOW.subtract({ minutes: 5 })
  const early = NOW.subtract({ hours: 4 })
  const call = (at: Temporal.Instant, change: Parameters<typeof addCall>[3]) =>
    addCall(b, client.id, at, change)
  const expected = new Map([
    [(await call(later, { status: 'in-progress', endedAt: null, reported: false })).id, 'in-progress'],
    [(await call(early, { status: 'in-progress', endedAt: null, reported: false })).id, 'no-report'],
    [(await call(later, { endedAt: later, reported: false })).id, 'awaiting-report'],
    [(await call(early, { reported: false })).id, 'no-report'],
    [(await call(early, { reported: false, synced: true })).id, 'no-report'],
  ])
  const states: SyncJobState[] = []
  const nextAt = NOW.add({ minutes: 15 })
  for (const [state, reason] of [
    ['queued', 'queued'],
    ['retrying', 'retrying'],
    ['dead', 'dead-letter'],
    ['failed', 'dead-letter'],
  ] as const) {
    const { id, sessionId } = await call(early, { synced: false })
    expected.set(id, reason)
    states.push({ sessionId, state, attempts: 3, nextAt, cause: 'POST /contacts/: status 422' })
  }
  // Given up once, and queued again by somebody.
  const again = await call(early, { synced: false })
  expected.set(again.id, 'queued')
  states.push({ sessionId: again.sessionId, state: 'dead', attempts: 49 })
  states.push({ sessionId: again.sessionId, state: 'queued', attempts: 0 })
  const waiting = await call(early, { synced: false })
  expected.set(waiting.id, 'queued')
  const forgotten = await call(early, { synced: false })
  expected.set(forgotten.id, 'not-queued')
  const sql = asOwner(b.app)
  // Synced before its report came, and not since.
  const stale = await call(early, {})
  expected.set(stale.id, 'not-queued')
  await sql`update crm_syncs set synced_at = now() - interval '1 hour' where voice_session_id = ${stale.sessionId}`

  const repository = createCompletenessRepository({ sql: b.app.sql })
  const options = { repository, reconciled: true, clock: () => NOW, log: b.app.log }
  const query = { clientId: client.id }
  const asked = createCompleteness({
    ...options,
    stateOf: async (ids) => {
      t.ok(ids.includes(waiting.sessionId) && ids.length === 8, 'asked for those with a report only')
      return states
    },
  })
  // Seen in this transaction only: the server's own queue would take it away.
  await sql.begin(async (tx) => {
    await tx`
      insert into outbox (client_id, queue, data, due_at)
      values (${client.id}, 'crm-sync', ${tx.json({ clientId: client.id, sessionId: waiting.sessionId })}, now())`
    const inside = createCompleteness({
      ...options,
      repository: { ...repository, days: (days, given) => repository.days(days, given, tx) },
      stateOf: async () => states,
    })
    const { days } = await inside.of(query)
    t.strictSame(
      new Map(days.flatMap(({ open }) => open.map(({ call_id, reason }) => [call_id, reason]))).get(
        waiting.id,
      ),
      'queued',
    )
    await tx`delete from outbox where client_id = ${client.id}`
  })
  const { days } = await asked.of(query)
  expected.set(waiting.id, 'not-queued')
  const open = days.flatMap((day) => day.open)
  t.strictSame(
    Object.fromEntries(open.map(({ call_id, reason }) => [call_id, reason])),
    Object.fromEntries(expected),
  )
  t.match(
    open.find(({ reason }) => reason === 'retrying'),
    { attempts: 3, next_try_at: nextAt.toString(), cause: 'POST /contacts/: status 422' },
  )

  await sql`insert into crm_pauses (client_id, credential, reason) values (${client.id}, 'x', 'the token was refused')`
  const paused = (await asked.of(query)).days.flatMap((day) => day.open)
  t.match(
    paused.find(({ call_id }) => call_id === stale.id),
    { reason: 'crm-paused', cause: 'the token was refused' },
  )

  const silent = createCompleteness({
    ...options,
    stateOf: async () => {
      throw new Error('no rights')
    },
  })
  const untold = (await silent.of(query)).days.flatMap((day) => day.open)
  t.equal(untold.length, expected.size)
  t.match(
    untold.find(({ call_id }) => call_id === stale.id),
    { reason: 'crm-paused' },
  )
})

t.test('thousands are counted, and so many listed', async (t) => {
  const b = await bench(t)
  const client = await b.addClient()
  await asOwner(b.app)`
    insert into voice_sessions (client_id, vapi_call_id, started_at, ended_at, status, reported_at)
    select ${client.id}, 'many-' || n, ${NOW.toString()}::text::timestamptz - make_interval(secs => n),
      ${NOW.toString()}::text::timestamptz, 'ended', now()
    from generate_series(1, 2000) n`
  const { report } = await b.ask(`?client=${client.id}&from=2026-08-21&to=2026-08-21`)
  t.match(report, { calls: 2000, complete: 0, days: [{ unlisted: 1500 }] })
  t.equal(report.days[0]?.open[0]?.call_id, 'many-1', 'the latest first')
})

t.test('what is asked for wrongly is named', async (t) => {
  const { ask } = await bench(t)
  const cases: [string, number, string][] = [
    ['?from=2026-08-32', 400, 'from'],
    ['?to=yesterday', 400, 'to'],
    ['?from=2026-08-21&to=2026-08-20', 400, 'from'],
    ['?from=2026-07-01&to=2026-08-20', 400, 'from'],
    ['?client=nobody', 400, 'client'],
    ['?clients=all', 400, 'clients'],
    ['?client=0d6c1c5e-6f0a-4c43-9f0e-3f6d0b0c7a11', 404, 'client'],
  ]
  for (const [query, code, word] of cases) {
    const answer = await ask(query)
    t.equal(answer.code, code, query)
    t.match(JSON.stringify(answer.body), new RegExp(word), query)
  }
})

t.test('says until when VAPI was asked, or that it is not', async (t) => {
  const { ask } = await bench(t)
  t.type((await ask('')).report.vapi_checked_until, 'string')
  const keyless = await build(t, { env: { VAPI_API_KEY: undefined } })
  const answer = await keyless.app.inject({
    method: 'GET',
    url: '/admin/completeness',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  })
  t.equal((answer.json() as Report).vapi_checked_until, null)
})
