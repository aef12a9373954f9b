import t from 'tap'
import type { ClientRow } from '../../../services/clients/client.ts'
import { createClientResolver } from '../../../services/clients/resolver.ts'

const A = '11111111-1111-4111-8111-111111111111'
const B = '22222222-2222-4222-8222-222222222222'
const NUMBER = '+17785550001'
const OTHER = '+17785550002'

const row = (id: string, number: string, change: Partial<ClientRow> = {}): ClientRow => ({
  id,
  client_name: id === A ? 'Client A' : 'Client B',
  twilio_number: number,
  ghl_token: 'pit',
  location_id: 'loc',
  calendar_id: null,
  timezone: 'America/Vancouver',
  settings: { greeting: 'Hi', services: [{ name: 'Repair' }] },
  status: 'active',
  ...change,
})

/** The table, counted, and able to be down or held up. */
function build(rows: ClientRow[]) {
  const table = { rows, queries: 0, down: false, gate: Promise.resolve() }
  async function ask<T>(answer: () => T): Promise<T> {
    table.queries += 1
    const { gate } = table
    if (table.down) throw new Error('the database is down')
    const seen = answer()
    await gate
    return seen
  }
  const repository = {
    byNumber: (number: string) => ask(() => table.rows.find((one) => one.twilio_number === number)),
    byId: (id: string) => ask(() => table.rows.find((one) => one.id === id)),
    numbersOf: (ids: readonly string[]) =>
      ask(
        () =>
          new Map(table.rows.filter((one) => ids.includes(one.id)).map((one) => [one.id, one.twilio_number])),
      ),
  }
  return { table, clients: createClientResolver({ repository, max: 100, ttlMs: 60_000 }) }
}

const change = (id: string, numbers: string[], removed = false) => JSON.stringify({ id, numbers, removed })

t.test('a thousand calls to one number at once cost one query', async (t) => {
  const { table, clients } = build([row(A, NUMBER)])
  const found = await Promise.all(Array.from({ length: 1_000 }, () => clients.byNumber('+1 (778) 555-0001')))
  t.equal(table.queries, 1)
  t.ok(found.every(({ client }) => client?.id === A))
})

t.test('what is handed out is frozen to the bottom', async (t) => {
  const { clients } = build([row(A, NUMBER)])
  const { client } = await clients.byNumber(NUMBER)
  const unfrozen: string[] = []
  const walk = (value: unknown, path: string) => {
    if (typeof value !== 'object' || value === null) return
    if (!Object.isFrozen(value)) unfrozen.push(path)
    for (const [name, inner] of Object.entries(value)) walk(inner, `${path}.${name}`)
  }
  walk(client, 'client')
  t.ok(client)
  t.strictSame(unfrozen, [])
})

t.test('nobody is asked about what is no number and no id', async (t) => {
  const { table, clients } = build([row(A, NUMBER)])
  for (const text of [undefined, '', 'anonymous', 'x'.repeat(500)])
    t.match(await clients.byNumber(text), { client: undefined, reason: 'unknown' })
  for (const text of [undefined, '', 'c1', "'; drop table clients; --"])
    t.match(await clients.byId(text), { client: undefined, reason: 'unknown' })
  t.equal(table.queries, 0)
})

t.test('a number that moved from A to B is never answered for A again', async (t) => {
  const { table, clients } = build([row(A, NUMBER)])
  t.equal((await clients.byNumber(NUMBER)).client?.id, A)
  table.rows = [row(A, OTHER), row(B, NUMBER)]
  clients.changed(change(A, [NUMBER, OTHER]))
  table.down = true
  t.match(
    await clients.byNumber(NUMBER),
    { client: undefined, reason: 'unavailable' },
    'not even as last known',
  )
  table.down = false
  clients.changed(change(B, [NUMBER]))
  t.equal((await clients.byNumber(NUMBER)).client?.id, B)
  table.down = true
  clients.changed(change(B, [NUMBER, NUMBER]))
  t.match(await clients.byNumber(NUMBER), { client: { id: B }, source: 'last-known' })
})

t.test('nor if it moved while nobody told us', async (t) => {
  const { table, clients } = build([row(A, NUMBER)])
  await clients.byNumber(NUMBER)
  table.rows = [row(A, OTHER), row(B, NUMBER)]
  await clients.clear()
  table.down = true
  t.match(await clients.byNumber(NUMBER), { client: undefined, reason: 'unavailable' })
})

t.test('a deleted client is not a last resort, told or not', async (t) => {
  for (const told of [true, false]) {
    const { table, clients } = build([row(A, NUMBER), row(B, OTHER)])
    for (const number of [NUMBER, OTHER]) await clients.byNumber(number)
    for (const id of [A, B]) await clients.byId(id)
    table.rows = [row(B, OTHER)]
    if (told) clients.changed(change(A, [NUMBER], true))
    else await clients.clear()
    table.down = true
    t.match(await clients.byNumber(NUMBER), { client: undefined, reason: 'unavailable' })
    t.match(await clients.byId(A), { client: undefined, reason: 'unavailable' })
    await clients.clear()
    t.match(await clients.byNumber(OTHER), { client: { id: B }, source: 'last-known' })
    t.match(await clients.byId(B), { client: { id: B }, source: 'last-known' })
  }
})

t.test('a query under way during a change does not put the old row back', async (t) => {
  const { table, clients } = build([row(A, NUMBER)])
  const gate = Promise.withResolvers<void>()
  table.gate = gate.promise
  const before = Promise.all([clients.byNumber(NUMBER), clients.byId(A)])
  table.gate = Promise.resolve()
  table.rows = [row(A, NUMBER, { client_name: 'Renamed' })]
  clients.changed(change(A, [NUMBER, NUMBER]))
  t.equal((await clients.byNumber(NUMBER)).client?.name, 'Renamed')
  gate.resolve()
  await before
  t.match(await clients.byNumber(NUMBER), { client: { name: 'Renamed' }, source: 'cache' })
  t.equal((await clients.byId(A)).client?.name, 'Renamed')
})

t.test('a notification that cannot be read empties everything', async (t) => {
  const { table, clients } = build([row(A, NUMBER)])
  for (const payload of ['', '{', '{"id":1}', 'null']) {
    await clients.byNumber(NUMBER)
    table.rows = [row(A, NUMBER, { client_name: payload })]
    clients.changed(payload)
    t.match(await clients.byNumber(NUMBER), { source: 'load' })
  }
})

t.test('a client made after its number was found unknown is known once announced', async (t) => {
  const { table, clients } = build([])
  t.match(await clients.byNumber(NUMBER), { reason: 'unknown' })
  t.match(await clients.byId(A), { reason: 'unknown' })
  table.rows = [row(A, NUMBER)]
  clients.changed(change(A, [NUMBER]))
  t.equal((await clients.byNumber(NUMBER)).client?.id, A)
  t.equal((await clients.byId(A)).client?.id, A)
})
