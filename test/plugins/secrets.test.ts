import { randomBytes } from 'node:crypto'
import t from 'tap'
import { asOwner, build, createTestDatabase, ENCRYPTION_KEY, eventually, type Harness } from '../helper.ts'
import { startServer } from '../process.ts'

const TEXTS_SQL = (table: string) => `select count(*)::int as rows from ${table} t where t::text like $1`

/** Names of the tables of every schema, the queue's too, of which a row's text holds `part`. */
async function tablesWith({ app }: Harness, part: string): Promise<string[]> {
  const sql = asOwner(app)
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') order by name`
  const found: string[] = []
  for (const { name } of tables) {
    const [result] = await sql.unsafe(TEXTS_SQL(name), [`%${part}%`])
    if (result?.rows > 0) found.push(name)
  }
  return found
}

t.test('a used database holds no token that can be read', async (t) => {
  const harness = await build(t)
  const client = await harness.addClient()
  const player = await harness.call(client)
  await player.ring()
  await player.status('in-progress')
  await player.tool('book_appointment', { start_time: '2026-08-21T10:30', name: 'Ann Lee' })
  await player.report({ transcript: 'AI: Hello.', summary: 'Booked a visit.' })
  const location = harness.crm.location(client.locationId)
  await eventually(() => location.contacts[0]?.notes.length, 'the note')

  t.strictSame(await tablesWith(harness, client.token), [])
  const withCall = await tablesWith(harness, player.callId)
  t.ok(withCall.includes('public.voice_sessions'), 'what is there is found')
  t.strictSame(await tablesWith(harness, ENCRYPTION_KEY), [], 'nor the key')
  t.notMatch(JSON.stringify(harness.logs), new RegExp(client.token))
})

t.test('a token that does not open takes no call, reaches no CRM, and says why', async (t) => {
  const harness = await build(t)
  const sql = asOwner(harness.app)
  const [swapped, flipped, keyless, other] = [
    await harness.addClient(),
    await harness.addClient(),
    await harness.addClient(),
    await harness.addClient(),
  ]
  await sql`
    update clients set ghl_token = (select ghl_token from clients where id = ${other.id}) where id = ${swapped.id}`
  await sql`update clients set ghl_token = overlay(ghl_token placing
    case when substr(ghl_token, 40, 1) = 'A' then 'B' else 'A' end from 40 for 1) where id = ${flipped.id}`
  await sql`update clients set ghl_token = overlay(ghl_token placing '00000000' from 11 for 8) where id = ${keyless.id}`
  const cases = [
    [swapped, 'TAMPERED'],
    [flipped, 'TAMPERED'],
    [keyless, 'KEY_MISSING'],
  ] as const
  for (const [client, code] of cases) {
    const player = await harness.call(client)
    const ring = await player.ring()
    t.match(ring.body, { assistant: { firstMessage: /Riverside Plumbing/ } }, 'the phone is answered')
    const { client: found } = await harness.app.clients.byNumber(client.number)
    t.strictSame(found?.problems, [`ghl_token cannot be used: ${code}`])
    const tool = await player.tool('find_or_create_contact', { name: 'Ann Lee' })
    t.match(tool.body, { results: [{ error: /Apologise and offer to take a message/ }] })
  }
  t.strictSame(harness.crm.exchanges, [], 'nothing was sent, least of all with another token or none')
  const player = await harness.call(other)
  await player.ring()
  t.match((await player.tool('find_or_create_contact', { name: 'Ann Lee' })).body, {
    results: [{ result: String }],
  })
})

t.test('a key that is in use and missing is an error at start', async (t) => {
  const harness = await build(t, { databaseUrl: await createTestDatabase() })
  await harness.addClient()
  const [keyId = ''] = harness.app.secrets.keyIds
  const DATABASE_URL = harness.app.database.url
  for (const [name, key] of [
    ['another key', randomBytes(32).toString('hex')],
    ['no key', undefined],
  ] as const) {
    const server = startServer(t, { DATABASE_URL, ENCRYPTION_KEY: key })
    t.strictSame(await server.ended, [1, null], name)
    t.match(server.stderr(), new RegExp(`ENCRYPTION_KEY lacks the key ${keyId}`), name)
    if (key) t.notMatch(server.stderr(), new RegExp(key))
  }
})

t.test('what is plain works beside a key, and one line says how much of it there is', async (t) => {
  const databaseUrl = await createTestDatabase()
  const before = await build(t, { databaseUrl, env: { ENCRYPTION_KEY: undefined } })
  t.match(
    before.logs.filter(({ msg }) => /PLAIN TEXT/.test(String(msg))),
    [{ msg: /ENCRYPTION_KEY is not set/ }],
  )
  const client = await before.addClient()
  await before.addClient()
  const after = await build(t, { databaseUrl, env: { GHL_BASE_URL: before.crm.url } })
  t.match(
    after.logs.filter(({ msg }) => /plain text/.test(String(msg))),
    [{ plain: 2 }],
  )
  t.equal((await after.app.clients.byNumber(client.number)).client?.crm.token, client.token)
})
