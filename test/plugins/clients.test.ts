import t from 'tap'
import { asOwner, build, createTestDatabase, eventually, type Harness, type TestClient } from '../helper.ts'
import { startProxy } from '../proxy.ts'

const nameOf = async ({ app }: Harness, { number }: Pick<TestClient, 'number'>) =>
  (await app.clients.byNumber(number)).client?.name

/** Milliseconds until every instance answers so. */
async function seenBy(
  instances: Harness[],
  expected: string | undefined,
  client: Pick<TestClient, 'number'>,
) {
  const begun = performance.now()
  await eventually(
    async () =>
      (await Promise.all(instances.map((one) => nameOf(one, client)))).every((name) => name === expected),
    `${expected} to be seen by all`,
    15,
  )
  return performance.now() - begun
}

t.test('a change to a client is seen by every instance within a second', async (t) => {
  const instances = [await build(t), await build(t)] as const
  const [one] = instances
  const { sql } = one.app
  const number = '+17785559901'
  t.equal(await nameOf(one, { number }), undefined)
  t.equal(await nameOf(instances[1], { number }), undefined)

  const client = await one.addClient({ twilio_number: number, client_name: 'New' })
  const times = { insert: await seenBy([...instances], 'New', client), update: 0, move: 0, delete: 0 }
  t.match(await instances[1].app.clients.byId(client.id), { client: { name: 'New' } })

  await sql`update clients set client_name = 'Renamed' where id = ${client.id}`
  times.update = await seenBy([...instances], 'Renamed', client)
  t.match(await instances[1].app.clients.byId(client.id), { client: { name: 'Renamed' } })

  const other = await one.addClient({ client_name: 'Other' })
  await seenBy([...instances], 'Other', other)
  await sql.begin(async (tx) => {
    await tx`update clients set twilio_number = '+17785559902' where id = ${client.id}`
    await tx`update clients set twilio_number = ${number} where id = ${other.id}`
  })
  times.move = await seenBy([...instances], 'Other', { number })

  await sql`delete from clients where id = ${other.id}`
  times.delete = await seenBy([...instances], undefined, { number })
  t.equal((await instances[1].app.clients.byId(other.id)).client, undefined)
  t.comment(JSON.stringify(times, (_, ms) => (typeof ms === 'number' ? Math.round(ms) : ms)))
  for (const [what, ms] of Object.entries(times)) t.ok(ms < 1_000, `${what}: ${Math.round(ms)} ms`)
})

t.test('a bulk change, which may lose its rows to the length of a notification, is seen too', async (t) => {
  const harness = await build(t)
  const made = await Promise.all(
    Array.from({ length: 50 }, () => harness.addClient({ client_name: 'Before' })),
  )
  for (const client of made) await seenBy([harness], 'Before', client)
  await asOwner(harness.app)`update clients set client_name = 'After'`
  for (const client of made) t.ok((await seenBy([harness], 'After', client)) < 1_000)
})

t.test(
  'after its listening connection was killed an instance sees what it missed, and what follows',
  async (t) => {
    const harness = await build(t)
    const client = await harness.addClient({ client_name: 'Before' })
    await seenBy([harness], 'Before', client)
    await asOwner(harness.app).begin(async (tx) => {
      await tx`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = '1000x-agent listener' and datname = current_database()`
      await tx`update clients set client_name = 'Missed' where id = ${client.id}`
    })
    const missed = await seenBy([harness], 'Missed', client)
    await asOwner(harness.app)`update clients set client_name = 'After' where id = ${client.id}`
    const after = await seenBy([harness], 'After', client)
    t.ok(missed < 1_000, `missed: ${Math.round(missed)} ms`)
    t.ok(after < 1_000, `after: ${Math.round(after)} ms`)
  },
)

t.test(
  'what is kept as a last resort is held against the table whenever changes may have been missed',
  async (t) => {
    const databaseUrl = await createTestDatabase()
    const proxy = await startProxy(databaseUrl)
    t.teardown(() => proxy.close())
    const harness = await build(t, { databaseUrl: proxy.url })
    const [stays, moves, goes] = await Promise.all(
      ['Stays', 'Moves', 'Goes'].map((client_name) => harness.addClient({ client_name })),
    )
    if (!stays || !moves || !goes) throw new Error('no clients')
    for (const client of [stays, moves, goes]) {
      await harness.app.clients.byNumber(client.number)
      await harness.app.clients.byId(client.id)
    }
    await asOwner(harness.app)`alter table clients disable trigger announce_client_change`
    await asOwner(harness.app)`update clients set twilio_number = '+17785559911' where id = ${moves.id}`
    await asOwner(harness.app)`delete from clients where id = ${goes.id}`
    await harness.app.clients.clear()
    proxy.refuse()
    const { byNumber, byId } = harness.app.clients
    t.match(await byNumber(stays.number), { client: { name: 'Stays' }, source: 'last-known' })
    t.match(await byNumber(moves.number), { client: undefined, reason: 'unavailable' })
    t.match(await byId(moves.id), { client: { name: 'Moves' }, source: 'last-known' })
    t.match(await byNumber(goes.number), { client: undefined, reason: 'unavailable' })
    t.match(await byId(goes.id), { client: undefined, reason: 'unavailable' })
    proxy.accept()
  },
)

t.test('after the network was silent an instance says so, and sees what it missed', async (t) => {
  const databaseUrl = await createTestDatabase()
  const proxy = await startProxy(databaseUrl)
  t.teardown(() => proxy.close())
  const near = await build(t, { databaseUrl })
  const far = await build(t, { databaseUrl: proxy.url })
  const client = await near.addClient({ client_name: 'Before' })
  await seenBy([near, far], 'Before', client)
  proxy.freeze()
  await asOwner(near.app)`update clients set client_name = 'After' where id = ${client.id}`
  await eventually(
    () => far.logs.some(({ msg }) => String(msg).startsWith('not told of changed clients')),
    'the loss to be logged',
    15,
  )
  proxy.killAll()
  proxy.thaw()
  await seenBy([far], 'After', client)
  await asOwner(near.app)`update clients set client_name = 'Last' where id = ${client.id}`
  const ms = await seenBy([near, far], 'Last', client)
  t.ok(ms < 1_000, `${Math.round(ms)} ms`)
})

t.test('while the database is silent the last known client answers, and quickly', async (t) => {
  const databaseUrl = await createTestDatabase()
  const proxy = await startProxy(databaseUrl)
  t.teardown(() => proxy.close())
  const harness = await build(t, { databaseUrl: proxy.url })
  const client = await harness.addClient({ client_name: 'Known' })
  // From the cache: an answer that overlaps with the announcement of the client is not kept.
  await eventually(async () => {
    const found = await harness.app.clients.byNumber(client.number)
    return found.client && found.source === 'cache'
  }, 'the client to be known')
  proxy.freeze()
  await harness.app.clients.clear()
  const begun = performance.now()
  const [known, never] = await Promise.all([
    harness.app.clients.byNumber(client.number),
    harness.app.clients.byNumber('+17785559999'),
  ])
  t.match(known, { client: { name: 'Known' }, source: 'last-known' })
  t.match(never, { client: undefined, reason: 'unavailable' })
  t.ok(performance.now() - begun < 1_000)
  proxy.killAll()
  proxy.thaw()
})
