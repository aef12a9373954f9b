import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { migrate } from '../services/database/migrate.ts'
import { DatabaseTimeout } from '../services/database/pool.ts'
import { createTestDatabase } from './helper.ts'

function connect(t: Test, url: string) {
  const sql = postgres(url, { max: 2, onnotice: () => {} })
  t.teardown(() => sql.end())
  return sql
}

const NEWEST = await migrate(await createTestDatabase())

t.test('an empty database gets the tables, defaults and indexes', async (t) => {
  const url = await createTestDatabase('empty')
  t.equal(await migrate(url), NEWEST)
  const sql = connect(t, url)

  const columns = await sql<{ place: string; type: string; preset: string | null; nullable: string }[]>`
    select table_name || '.' || column_name as place, data_type as type, column_default as preset, is_nullable as nullable
    from information_schema.columns where table_name in ('clients', 'voice_sessions')`
  const of = (place: string) => columns.find((column) => column.place === place)
  t.match(of('clients.id'), { type: 'uuid', preset: 'gen_random_uuid()' })
  for (const name of ['client_name', 'twilio_number', 'ghl_token', 'location_id'])
    t.match(of(`clients.${name}`), { type: 'text', nullable: 'NO' }, name)
  t.match(of('clients.calendar_id'), { type: 'text', nullable: 'YES' })
  t.match(of('clients.timezone'), { preset: "'America/New_York'::text" })
  t.match(of('clients.settings'), { type: 'jsonb', preset: "'{}'::jsonb" })
  t.match(of('clients.status'), { preset: "'active'::text" })
  t.match(of('voice_sessions.id'), { type: 'uuid', preset: 'gen_random_uuid()' })
  t.match(of('voice_sessions.started_at'), { type: /with time zone/, preset: 'now()', nullable: 'NO' })
  t.match(of('voice_sessions.ended_at'), { type: /with time zone/, nullable: 'YES' })
  t.match(of('voice_sessions.consent_recorded'), { type: 'boolean', preset: 'false' })
  t.match(of('voice_sessions.context'), { type: 'jsonb', preset: "'{}'::jsonb" })
  for (const name of ['vapi_call_id', 'caller', 'called_number', 'recording_url', 'transcript', 'summary'])
    t.match(of(`voice_sessions.${name}`), { type: 'text' }, name)
  for (const name of ['status', 'ended_reason', 'ghl_contact_id'])
    t.match(of(`voice_sessions.${name}`), { type: 'text' }, name)
  t.match(of('voice_sessions.duration_seconds'), { type: 'integer' })
  t.match(of('voice_sessions.cost'), { type: 'numeric' })

  const indexes = await sql<{ indexname: string; indexdef: string }[]>`
    select indexname, indexdef from pg_indexes where tablename in ('clients', 'voice_sessions')`
  const definition = (name: string) => indexes.find(({ indexname }) => indexname === name)?.indexdef ?? ''
  t.match(definition('idx_clients_twilio_number'), /^CREATE UNIQUE INDEX .*\(twilio_number\)$/)
  t.match(definition('idx_voice_sessions_client_id'), /\(client_id, started_at DESC\)$/)
  t.match(definition('idx_voice_sessions_vapi_call_id'), /^CREATE UNIQUE INDEX .*\(vapi_call_id\)$/)
})

t.test('lookups by number, by client and by call use their index', async (t) => {
  const sql = connect(t, await createTestDatabase())
  await sql`insert into clients (client_name, twilio_number, ghl_token, location_id)
    select 'c', '+1' || (2000000000 + n), 't', 'l' from generate_series(1, 20000) n`
  await sql`insert into voice_sessions (client_id, vapi_call_id)
    select id, 'call-' || row_number() over () from clients`
  await sql`analyze clients, voice_sessions`
  const [client] = await sql<{ id: string }[]>`select id from clients limit 1`
  const plan = async (query: postgres.PendingQuery<postgres.Row[]>) =>
    JSON.stringify(await sql`explain (format json) ${query}`)
  t.match(
    await plan(sql`select id from clients where twilio_number = '+12000000007'`),
    /idx_clients_twilio_number/,
  )
  t.match(
    await plan(sql`select id from voice_sessions where vapi_call_id = 'call-7'`),
    /idx_voice_sessions_vapi_call_id/,
  )
  t.match(
    await plan(sql`select id from voice_sessions where client_id = ${client?.id ?? ''}`),
    /idx_voice_sessions_client_id/,
  )
})

t.test('ten instances that start together migrate once', async (t) => {
  const url = await createTestDatabase('empty')
  const versions = await Promise.all(Array.from({ length: 10 }, () => migrate(url)))
  t.strictSame(new Set(versions), new Set([NEWEST]))
  const sql = connect(t, url)
  const applied = await sql<{ version: string }[]>`select version from schema_version order by version::int`
  t.strictSame(
    applied.map(({ version }) => Number(version)),
    Array.from({ length: NEWEST + 1 }, (_, version) => version),
    'each migration stands there once',
  )
})

t.test('running again changes nothing', async (t) => {
  const url = await createTestDatabase()
  const sql = connect(t, url)
  const state = () => sql`
    select (select json_agg(s order by version) from schema_version s) as versions,
      (select json_agg(i.indexdef order by i.indexname) from pg_indexes i where schemaname = 'public') as indexes,
      (select json_agg(k) from signing_keys k) as keys`
  const before = await state()
  t.equal(await migrate(url), NEWEST)
  t.strictSame([...(await state())], [...before])
})

t.test('a migration that fails leaves nothing behind', async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'migrations-'))
  await writeFile(
    path.join(directory, '001.do.good.sql'),
    'create table good (id int); insert into good values (1);',
  )
  await writeFile(
    path.join(directory, '002.do.bad.sql'),
    'create table half (id int); select no_such_thing();',
  )
  const url = await createTestDatabase('empty')
  await t.rejects(migrate(url, { files: `${directory}/*.do.*.sql` }), /no_such_thing/)
  const sql = connect(t, url)
  t.strictSame([...(await sql`select tablename from pg_tables where schemaname = 'public'`)], [])

  await writeFile(path.join(directory, '002.do.bad.sql'), 'create table whole (id int);')
  t.equal(await migrate(url, { files: `${directory}/*.do.*.sql` }), 2, 'mended, it goes through')
})

t.test('a migration has a deadline: another one that hangs is not waited for for ever', async (t) => {
  const url = await createTestDatabase('empty')
  const sql = connect(t, url)
  const holding = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const other = sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(7740185)`
    holding.resolve()
    await release.promise
  })
  await holding.promise
  await t.rejects(migrate(url, { deadlineMs: 200 }), DatabaseTimeout)
  release.resolve()
  await other
  t.equal(await migrate(url), NEWEST)
})

t.test('a database that a newer version has migrated is left alone', async (t) => {
  const url = await createTestDatabase()
  const sql = connect(t, url)
  await sql`insert into schema_version (version, name, md5, run_at) values (9000, 'newer', 'x', now())`
  t.equal(await migrate(url), 9000)
})
