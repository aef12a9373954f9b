import t from 'tap'
import { createClientRepository } from '../../../services/clients/repository.ts'
import { createSealing } from '../../../services/clients/sealing.ts'
import { createSealingRepository, SEALED_COLUMNS } from '../../../services/clients/sealing-repository.ts'
import { createDatabase } from '../../../services/database/pool.ts'
import { createSecrets, placeOf } from '../../../services/secrets.ts'
import { createTestDatabase } from '../../helper.ts'

const OLD = 'aa'.repeat(32)
const NEW = 'bb'.repeat(32)
const signal = new AbortController().signal

async function open(t: { teardown(end: () => unknown): void }) {
  const sql = createDatabase({ url: await createTestDatabase(), deadlineMs: 20_000 })
  t.teardown(() => sql.end())
  return { sql, repository: createSealingRepository({ sql: sql.forAllClients }) }
}

t.test('every column that holds secrets comes under the new key, each value in its place', async (t) => {
  const { sql, repository } = await open(t)
  const before = createSecrets([OLD])
  const client = { client_name: 'A', twilio_number: '+17785550001', ghl_token: 'pit-1', location_id: 'L' }
  const id = await createClientRepository({ sql, secrets: before }).put(client)
  const [access, refresh] = ['access_token', 'refresh_token'].map((column) =>
    before.seal(`its ${column}`, placeOf(`ghl_oauth_tokens.${column}`, id)),
  )
  await sql.forClient(id)`
    insert into ghl_oauth_tokens (client_id, access_token, refresh_token, expires_at, user_type, location_id)
    values (${id}, ${access}, ${refresh}, now(), 'Location', 'L')`

  const after = createSecrets([NEW])
  await t.rejects(createSealing({ repository, secrets: after }).check(), { name: 'KeyMissing' })
  const report = await createSealing({ repository, secrets: createSecrets([NEW, OLD]) }).sealAll({ signal })
  t.match(report, {
    keysInUse: [],
    unreadable: [],
    columns: SEALED_COLUMNS.map(() => ({ sealed: 1, unreadable: 0 })),
  })
  await createSealing({ repository, secrets: after }).check()

  const [token] = await sql`select ghl_token from clients where id = ${id}`
  t.equal(after.open(token?.ghl_token, placeOf('clients.ghl_token', id)), 'pit-1')
  const [tokens] = await sql.forClient(id)`select access_token, refresh_token from ghl_oauth_tokens`
  for (const column of ['access_token', 'refresh_token'])
    t.equal(after.open(tokens?.[column], placeOf(`ghl_oauth_tokens.${column}`, id)), `its ${column}`)
})

t.test('what is written while it is sealed is kept', async (t) => {
  const { sql, repository } = await open(t)
  const secrets = createSecrets([NEW])
  const clients = createClientRepository({ sql, secrets })
  await sql`insert into clients (client_name, twilio_number, ghl_token, location_id)
    values ('A', '+17785550001', 'pit-old', 'L'), ('B', '+17785550002', 'pit-b', 'L')`
  const slow: typeof repository = {
    ...repository,
    async replace(...given) {
      await clients.put({
        client_name: 'A',
        twilio_number: '+17785550001',
        ghl_token: 'pit-new',
        location_id: 'L',
      })
      return repository.replace(...given)
    },
  }
  const report = await createSealing({ repository: slow, secrets }).sealAll({ signal })
  t.match(report, { keysInUse: [], columns: [{ column: 'clients.ghl_token', sealed: 1 }] })
  const rows = await sql`select id, ghl_token from clients order by client_name`
  t.strictSame(
    rows.map(({ id, ghl_token }) => secrets.open(ghl_token, placeOf('clients.ghl_token', id))),
    ['pit-new', 'pit-b'],
  )
})

t.test('each column with the word token that belongs to a client is among them', async (t) => {
  const { sql } = await open(t)
  const rows = await sql<{ name: string }[]>`
    select table_name || '.' || column_name as name from information_schema.columns
    where table_schema = 'public' and data_type = 'text' and column_name like '%token' order by name`
  t.strictSame(
    rows.map(({ name }) => name),
    SEALED_COLUMNS.map(({ table, column }) => `${table}.${column}`).sort(),
  )
})
