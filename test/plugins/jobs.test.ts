import t from 'tap'
import { asOwner, build, eventually } from '../helper.ts'
import { fullReport, messagesOf, newCall } from '../services/calls/messages.ts'

t.test('a job exists if and only if its transaction commits', async (t) => {
  const { app, addClient } = await build(t)
  const { id: clientId } = await addClient()
  const mine = { clientId, sessionId: '22222222-2222-4222-8222-222222222222' }
  const jobs = () =>
    asOwner(app).unsafe('select from pgboss.job where data ->> $1 = $2', ['sessionId', mine.sessionId])
  const failed = app.sql.forClient(clientId).begin(async (tx) => {
    await app.jobs.add('crm-sync', mine, 3_600, tx)
    throw new Error('changed my mind')
  })
  await t.rejects(failed, /changed my mind/)
  await app.jobs.feed()
  t.equal((await jobs()).length, 0)
  await app.sql.forClient(clientId).begin(async (tx) => {
    await app.jobs.add('crm-sync', mine, 3_600, tx)
    await app.jobs.feed()
    t.equal((await jobs()).length, 0, 'not before the commit')
  })
  await app.jobs.feed()
  t.equal((await jobs()).length, 1)
  t.equal((await app.sql.forAllClients`select from outbox`).length, 0, 'it is in one of the two')
})

t.test('a payload holds ids only, and a failure leaves nobody in its reason', async (t) => {
  const { app, addClient, webhook, crm } = await build(t)
  const client = await addClient()
  crm.fault({
    match: { path: /^\/contacts/ },
    kind: { type: 'status', status: 422, body: { message: 'Ann Lee +12505550188' } },
  })
  await webhook(messagesOf(newCall(client.number)).report(0, fullReport()))
  await eventually(
    async () => (await asOwner(app)`select from pgboss.job where name = 'crm-sync-dead'`).length,
    'the dead letter',
  )
  const jobs = await asOwner(app)<{ data: object; everything: string }[]>`
    select data, j::text as everything from pgboss.job j where data ->> 'clientId' = ${client.id}`
  t.ok(jobs.length >= 2)
  for (const { data, everything } of jobs) {
    t.strictSame(Object.keys(data).sort(), ['clientId', 'sessionId'])
    t.notMatch(everything, /0188|Ann|Leaking|pit-/)
  }
})

t.test('retries reach over a day and more, and dead letters are kept for a year', async (t) => {
  const { app } = await build(t, { overrides: { jobs: {} } })
  const queues = await asOwner(app)`
    select name, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, heartbeat_seconds,
      retention_seconds, deletion_seconds, dead_letter from pgboss.queue where name like 'crm-sync%' order by name`
  const DAY = 86_400
  t.match(queues, [
    {
      name: 'crm-sync',
      retry_limit: 48,
      retry_delay: 15,
      retry_backoff: true,
      retry_delay_max: 3_600,
      heartbeat_seconds: 30,
      dead_letter: 'crm-sync-dead',
    },
    { name: 'crm-sync-dead', retention_seconds: 365 * DAY, deletion_seconds: 365 * DAY },
  ])
  const [queue] = queues
  let total = 0
  // The least that chance may make of it: half of each step is drawn.
  for (let n = 1; n <= queue?.retry_limit; n++)
    total += Math.min(queue?.retry_delay_max, (queue?.retry_delay * 2 ** Math.min(16, n)) / 2)
  t.ok(total > DAY, `${(total / 3_600).toFixed(1)} h`)
  t.ok(queue?.retention_seconds > total)
})

t.test('options that a later version changes reach a queue that exists', async (t) => {
  const first = await build(t, { overrides: { jobs: { retryDelaySeconds: 7 } } })
  const delay = async () =>
    (
      await asOwner(first.app)<
        { retry_delay: number }[]
      >`select retry_delay from pgboss.queue where name = 'crm-sync'`
    )[0]
  t.match(await delay(), { retry_delay: 7 })
  await build(t, { overrides: { jobs: { retryDelaySeconds: 9 } } })
  t.match(await delay(), { retry_delay: 9 })
})

t.test('the job of a worker that was killed is taken up by another', async (t) => {
  const { app, addClient, webhook, crm } = await build(t)
  const client = await addClient()
  // Held back, so that the killed worker can have it first.
  await asOwner(app).unsafe(`
    create function hold() returns trigger language plpgsql as $$ begin new.start_after := now() + interval '1 hour'; return new; end $$`)
  await asOwner(app).unsafe(
    'create trigger hold before insert on pgboss.job for each row execute function hold()',
  )
  await webhook(messagesOf(newCall(client.number)).report(0, fullReport()))
  await app.jobs.feed()
  await asOwner(app)`drop trigger hold on pgboss.job`
  const changed = await asOwner(app)`
    update pgboss.job set state = 'active', start_after = now(), started_on = now() - interval '40 seconds',
      heartbeat_on = now() - interval '31 seconds' where data ->> 'clientId' = ${client.id} returning id`
  t.equal(changed.length, 1)
  const begun = performance.now()
  await eventually(() => crm.location(client.locationId).contacts[0]?.notes.length, 'the note', 60)
  t.comment(`after ${Math.round((performance.now() - begun) / 100) / 10} s`)
})

t.test('work that the queue does not take waits in the outbox', async (t) => {
  const { app, addClient, webhook, crm } = await build(t)
  const client = await addClient()
  await asOwner(app).unsafe(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no room' using errcode = '53100'; end $$`)
  await asOwner(app).unsafe(
    'create trigger refuse before insert on pgboss.job for each row execute function refuse()',
  )
  const report = await webhook(messagesOf(newCall(client.number)).report(0, fullReport()))
  t.equal(report.statusCode, 200, 'it is committed')
  await t.rejects(app.jobs.feed(), /no room/)
  t.equal((await app.sql.forClient(client.id)`select from outbox`).length, 1)
  await asOwner(app)`drop trigger refuse on pgboss.job`
  await eventually(() => crm.location(client.locationId).contacts[0]?.notes.length, 'the note')
  t.equal((await app.sql.forClient(client.id)`select from outbox`).length, 0)
})

t.test('a job that is told when to come back does so, and keeps the attempts it has left', async (t) => {
  const { app, addClient, webhook, crm, logs } = await build(t)
  const client = await addClient()
  crm.fault({
    match: { path: /^\/contacts/ },
    kind: { type: 'status', status: 429, headers: { 'retry-after': '3' } },
    times: 1,
  })
  await webhook(messagesOf(newCall(client.number)).report(0, fullReport()))
  await eventually(() => crm.location(client.locationId).contacts[0]?.notes.length, 'the note')
  const jobs = await asOwner(app)<{ deferred: number | null; retry_limit: number; waited: number }[]>`
    select (output ->> 'deferredSeconds')::int as deferred, retry_limit,
      extract(epoch from start_after - created_on)::float as waited
    from pgboss.job where name = 'crm-sync' and data ->> 'clientId' = ${client.id} order by created_on`
  t.match(jobs, [{ deferred: 3 }, { deferred: null, retry_limit: 48 }])
  t.ok((jobs[1]?.waited ?? 0) >= 3, `${jobs[1]?.waited} s`)
  t.ok(logs.some(({ msg }) => msg === 'a job failed'))
})

t.test('ten instances start together on one database', async (t) => {
  const harnesses = await Promise.all(Array.from({ length: 10 }, () => build(t)))
  await Promise.all(harnesses.map(({ app }) => Promise.all([app.jobs.check(), app.database.version()])))
  const errors = harnesses.flatMap(({ logs }) => logs.filter(({ level }) => Number(level) >= 50))
  t.strictSame(errors, [])
})
