import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import t from 'tap'
import { createClientRepository } from '../../../services/clients/repository.ts'
import { createDatabase, type Database } from '../../../services/database/pool.ts'
import { createSchemaRepository, SERVER_ROLE } from '../../../services/database/repository.ts'
import { createTestDatabase } from '../../helper.ts'

const url = await createTestDatabase()
const owner = createDatabase({ url })
const server = createDatabase({ url, role: SERVER_ROLE })
/** As behind a pooler that gives a connection away after each transaction. */
const pooled = createDatabase({ url, role: SERVER_ROLE, pooled: true, max: 1 })
t.teardown(() => Promise.all([owner.end(), server.end(), pooled.end()]))

const clients = createClientRepository({ sql: owner })
const put = (twilio_number: string) =>
  clients.put({ client_name: 'Riverside Plumbing', twilio_number, ghl_token: 'pit', location_id: 'loc' })
const [mine, theirs] = [await put('+17785550001'), await put('+17785550002')]
for (const client of [mine, theirs])
  await owner`insert into voice_sessions (client_id, vapi_call_id) values (${client}, ${`call of ${client}`})`

/** Tables that hold a client's rows, and how they are protected, as the catalog says. */
const tables = await owner<{ name: string; enabled: boolean; forced: boolean; policies: string[] }[]>`
  select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
    array(
      select coalesce(pg_get_expr(polqual, polrelid), '') from pg_policy p
      where p.polrelid = c.oid and p.polcmd = '*' and p.polpermissive
    ) as policies
  from pg_class c
  where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
    and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'client_id' and not a.attisdropped)
  order by c.relname`

t.test('every table with a client_id is protected, from its owner too', async (t) => {
  t.ok(tables.length >= 6, tables.map(({ name }) => name).join(', '))
  for (const { name, enabled, forced, policies } of tables) {
    t.ok(enabled && forced, `${name} is protected`)
    t.equal(policies.length, 1, `${name} has one policy`)
    t.match(
      policies[0],
      /^\(\(client_id = app_client_id\(\)\) OR \(current_setting\('app\.all_clients'/,
      name,
    )
  }
})

t.test('whatever belongs to a client leads with it, so that it can be distributed by client', async (t) => {
  const indexes = await owner<{ name: string; index: string; leading: string; unique: boolean }[]>`
    select c.relname as name, i.relname as index, a.attname as leading, x.indisunique as unique
    from pg_index x
    join pg_class c on c.oid = x.indrelid
    join pg_class i on i.oid = x.indexrelid
    join pg_attribute a on a.attrelid = c.oid and a.attnum = x.indkey[0]
    where c.relnamespace = 'public'::regnamespace and c.relname = any(${tables.map(({ name }) => name)}::text[])`
  // The older two tables came with these, and a call's id is all that some messages name.
  const given = ['voice_sessions_pkey', 'idx_voice_sessions_vapi_call_id']
  for (const { name, index, leading } of indexes)
    if (!given.includes(index)) t.equal(leading, 'client_id', `${index} on ${name}`)
  t.ok(indexes.length > tables.length)
})

t.test('the server works as a role that is bound by it', async (t) => {
  t.strictSame(await createSchemaRepository({ sql: owner }).serverRole(), {
    role: SERVER_ROLE,
    unprotected: false,
  })
  const [role] = await owner`
    select rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname = ${SERVER_ROLE}`
  t.strictSame(role, { rolsuper: false, rolbypassrls: false, rolcanlogin: false })
  for (const sql of [server, pooled])
    await sql.begin(async (tx) => {
      t.match(await tx`select current_user::text as name`, [{ name: SERVER_ROLE }])
    })
})

t.test(
  'who may not take the role works under the policies himself, or is told to be unprotected',
  async (t) => {
    const name = `agent_test_${process.pid}_${randomUUID().slice(0, 8)}`
    const admin = postgres(url, { max: 1, onnotice: () => {} })
    const roleAt = async (attributes: string) => {
      await admin.unsafe(`create role ${name} login password 'x' ${attributes}`)
      const address = new URL(url)
      address.username = name
      address.password = 'x'
      const sql = createDatabase({ url: address.href })
      try {
        return await createSchemaRepository({ sql }).serverRole()
      } finally {
        await sql.end()
        await admin.unsafe(`drop role ${name}`)
      }
    }
    try {
      t.strictSame(await roleAt('nobypassrls'), { role: undefined, unprotected: false })
      t.strictSame(await roleAt('bypassrls'), { role: undefined, unprotected: true })
    } finally {
      await admin.end()
    }
  },
)

for (const [how, sql] of [
  ['directly', server],
  ['through a pooler', pooled],
] as const) {
  const count = async (on: Pick<Database, 'forAllClients'> | Database['forAllClients']) =>
    (await (on as Database['forAllClients'])`select from voice_sessions`).length

  t.test(`a query that forgets its where sees its client's rows, or none: ${how}`, async (t) => {
    for (let round = 0; round < 3; round++) {
      t.equal(await count(sql), 0, 'without a scope: nothing')
      const rows = await sql.forClient(mine)<{ client_id: string }[]>`select client_id from voice_sessions`
      t.strictSame(
        rows.map(({ client_id }) => client_id),
        [mine],
      )
      t.equal(await count(sql.forAllClients), 2)
      t.equal(await count(sql), 0, 'nothing of it is left on the connection')
    }
    t.equal((await sql.forClient(mine)`update voice_sessions set summary = 'x'`).count, 1)
    t.equal((await sql.forClient(mine)`delete from voice_sessions where client_id = ${theirs}`).count, 0)
    for (const { name } of tables)
      t.equal((await sql.unsafe(`select from ${name}`)).length, 0, `${name} without a scope`)
  })

  t.test(`nothing is written under another's name: ${how}`, async (t) => {
    const forged = sql.forClient(mine)`
      insert into voice_sessions (client_id, vapi_call_id) values (${theirs}, 'forged')`
    await t.rejects(forged, { code: '42501' })
    const moved = sql.forClient(mine)`update voice_sessions set client_id = ${theirs}`
    await t.rejects(moved, { code: '42501' })
    await t.rejects(sql`insert into outbox (client_id, queue, data) values (${mine}, 'q', '{}')`, {
      code: '42501',
    })
    t.equal((await owner`select from voice_sessions where vapi_call_id = 'forged'`).length, 0)
  })

  t.test(`a scoped statement starts in its scope, however it is waited for: ${how}`, async (t) => {
    const read = () => sql.forClient(mine)`select client_id from voice_sessions`
    t.equal((await read().catch(() => [])).length, 1)
    t.equal((await read().finally(() => {})).length, 1)
    const only = sql.forClient(mine)`client_id = ${mine}`
    t.equal((await sql.forClient(mine)`select from voice_sessions where ${only}`).length, 1, 'a fragment')
    t.equal((await sql.forClient(mine).unsafe('select from voice_sessions where $1', [true])).length, 1)
    const failing = sql.forClient(mine)`select 1 / 0`
    await t.rejects(failing, { code: '22012' })
    await t.rejects(sql.forClient('no uuid')`select from voice_sessions`, { code: '22P02' })
  })

  t.test(`several statements are one transaction: ${how}`, async (t) => {
    const work = sql.forClient(mine).begin(async (tx) => {
      await tx`insert into call_events (client_id, vapi_call_id, event_key, type) values (${mine}, 'c', 'k', 't')`
      t.equal((await tx`select from voice_sessions`).length, 1)
      throw new Error('no')
    })
    await t.rejects(work, /no/)
    t.equal((await sql.forClient(mine)`select from call_events`).length, 0)
  })
}

t.test('with a client everything of it goes, whoever deletes it', async (t) => {
  const gone = await put('+17785550003')
  await server.forClient(
    gone,
  )`insert into voice_sessions (client_id, vapi_call_id) values (${gone}, 'of the gone')`
  await server.forClient(gone)`
    insert into outbox (client_id, queue, data) values (${gone}, 'crm-sync', '{}')`
  await server`delete from clients where id = ${gone}`
  for (const { name } of tables)
    t.equal((await owner.unsafe(`select from ${name} where client_id = $1`, [gone])).length, 0, name)
})
