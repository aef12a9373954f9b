import postgres from 'postgres'
import t, { type Test } from 'tap'
import { createCallRepository } from '../services/calls/repository.ts'
import { createClientRepository } from '../services/clients/repository.ts'
import { migrate } from '../services/database/migrate.ts'
import { createDatabase } from '../services/database/pool.ts'
import { createTestDatabase } from './helper.ts'

/** A database as the older server left it: the same two tables with fewer columns. */
async function olderDatabase(t: Test, tables: string) {
  const url = await createTestDatabase('empty')
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  await sql.unsafe(tables).simple()
  return { url, sql }
}

const CLIENTS = `
  create table clients (
    id uuid primary key default gen_random_uuid(),
    client_name text not null,
    twilio_number text unique not null,
    ghl_token text not null,
    location_id text not null,
    calendar_id text,
    timezone text,
    settings jsonb,
    created_at timestamptz default now()
  );
  create index idx_clients_twilio_number on clients (twilio_number);`
const SESSIONS = `
  create table voice_sessions (
    id uuid primary key default gen_random_uuid(),
    client_id uuid references clients (id),
    vapi_call_id text,
    caller text,
    started_at timestamptz default now(),
    ended_at timestamptz,
    consent_recorded boolean,
    recording_url text,
    transcript text
  );
  create index idx_voice_sessions_client_id on voice_sessions (client_id);
  create index idx_voice_sessions_vapi_call_id on voice_sessions (vapi_call_id);`

t.test('every row of the older tables is kept, and what it says too', async (t) => {
  const { url, sql } = await olderDatabase(t, CLIENTS + SESSIONS)
  await sql`insert into clients (client_name, twilio_number, ghl_token, location_id, timezone, settings) values
    ('A', '+17785550001', 'pit-plain', 'loc-a', 'America/Vancouver', '{"greeting": "Hi"}'),
    ('B', '(778) 555-0002', 'pit-b', 'loc-b', null, null)`
  await sql`insert into voice_sessions (client_id, vapi_call_id, caller, transcript, ended_at)
    select id, 'call-' || client_name, '+12505550188', 'AI: Hello.', now() from clients`
  const clients = await sql`select id, client_name, ghl_token, location_id from clients order by client_name`
  const sessions = await sql`select id, client_id, vapi_call_id, caller, transcript, started_at, ended_at
    from voice_sessions order by vapi_call_id`
  await migrate(url)
  t.strictSame(
    [...(await sql`select id, client_name, ghl_token, location_id from clients order by client_name`)],
    [...clients],
    'the plain token too',
  )
  t.strictSame(
    [
      ...(await sql`select id, client_id, vapi_call_id, caller, transcript, started_at, ended_at
        from voice_sessions order by vapi_call_id`),
    ],
    [...sessions],
  )
  t.strictSame(
    [...(await sql`select twilio_number, timezone, settings, status from clients order by client_name`)],
    [
      {
        twilio_number: '+17785550001',
        timezone: 'America/Vancouver',
        settings: { greeting: 'Hi' },
        status: 'active',
      },
      { twilio_number: '+17785550002', timezone: 'America/New_York', settings: {}, status: 'active' },
    ],
  )
  t.strictSame(
    [...(await sql`select distinct status, consent_recorded, context from voice_sessions`)],
    [{ status: 'ended', consent_recorded: false, context: {} }],
  )
})

t.test('its indexes, though of the same names, become the ones that are relied upon', async (t) => {
  const { url, sql } = await olderDatabase(t, CLIENTS + SESSIONS)
  await migrate(url)
  const indexes = await sql<{ indexname: string; indexdef: string }[]>`
    select indexname, indexdef from pg_indexes
    where indexname like 'idx_%' and tablename in ('clients', 'voice_sessions') order by indexname`
  t.match(indexes, [
    { indexname: 'idx_clients_name' },
    { indexname: 'idx_clients_secret_key' },
    { indexname: 'idx_clients_twilio_number', indexdef: /UNIQUE/ },
    { indexname: 'idx_voice_sessions_caller' },
    { indexname: 'idx_voice_sessions_client_id', indexdef: /\(client_id, started_at DESC\)/ },
    { indexname: 'idx_voice_sessions_live' },
    { indexname: 'idx_voice_sessions_vapi_call_id', indexdef: /UNIQUE/ },
    { indexname: 'idx_voice_sessions_words' },
  ])
  const database = createDatabase({ url })
  t.teardown(() => database.end())
  const clientId = await createClientRepository({ sql: database }).put({
    client_name: 'A',
    twilio_number: '+17785550001',
    ghl_token: 'pit',
    location_id: 'loc',
  })
  const call = { clientId, callId: 'call-1', caller: undefined, calledNumber: undefined }
  await createCallRepository({ sql: database }).recordTools(call, [], {
    contactId: 'contact',
    queue: 'crm-sync',
  })
  const [session] = await sql`select ghl_contact_id from voice_sessions where vapi_call_id = 'call-1'`
  t.equal(session?.ghl_contact_id, 'contact', 'upserts work')
})

t.test('numbers in any notation become E.164 where that is certain, and stay where it is not', async (t) => {
  const { url, sql } = await olderDatabase(t, CLIENTS)
  const cases: [typed: string, after: string][] = [
    ['+17785550001', '+17785550001'],
    [' +1 (778) 555-0002', '+17785550002'],
    ['778-555-0003', '+17785550003'],
    ['1.778.555.0004', '+17785550004'],
    ['+44 20 7946 0018', '+442079460018'],
    ['+1 778 555 0005 ext. 7', '+1 778 555 0005 ext. 7'],
    ['1-800-FLOWERS', '1-800-FLOWERS'],
    ['030 1234567', '030 1234567'],
    ['555-0199', '555-0199'],
    ['(778) 555-0006', '(778) 555-0006'],
    ['778 555 0006', '778 555 0006'],
    ['778-555-0007', '778-555-0007'],
    ['+17785550007', '+17785550007'],
  ]
  for (const [typed, after] of cases)
    await sql`insert into clients (client_name, twilio_number, ghl_token, location_id)
      values (${after}, ${typed}, 't', 'l')`
  await migrate(url)
  const rows = await sql<{ client_name: string; twilio_number: string }[]>`
    select client_name, twilio_number from clients`
  t.equal(rows.length, cases.length, 'all are kept')
  for (const row of rows) t.equal(row.twilio_number, row.client_name)
})

t.test('a call written twice keeps both rows; the fullest keeps the id', async (t) => {
  const { url, sql } = await olderDatabase(t, CLIENTS + SESSIONS)
  await sql`insert into clients (client_name, twilio_number, ghl_token, location_id) values ('A', '+17785550001', 't', 'l')`
  for (const transcript of [null, 'AI: Hello.', null])
    await sql`insert into voice_sessions (client_id, vapi_call_id, transcript)
      select id, 'twice', ${transcript} from clients`
  await sql`insert into voice_sessions (client_id) select id from clients`
  await migrate(url)
  t.strictSame(
    [
      ...(await sql`select vapi_call_id, transcript, context from voice_sessions order by vapi_call_id, context`),
    ],
    [
      { vapi_call_id: 'twice', transcript: 'AI: Hello.', context: {} },
      { vapi_call_id: null, transcript: null, context: {} },
      { vapi_call_id: null, transcript: null, context: { duplicateOf: 'twice' } },
      { vapi_call_id: null, transcript: null, context: { duplicateOf: 'twice' } },
    ],
  )
})

for (const [kind, sessions] of [
  ['that did not cascade', SESSIONS],
  ['that was missing', SESSIONS.replace('references clients (id)', '')],
] as const) {
  t.test(`a foreign key ${kind} cascades, and no session is lost for it`, async (t) => {
    const { url, sql } = await olderDatabase(t, CLIENTS + sessions)
    await sql`insert into clients (client_name, twilio_number, ghl_token, location_id) values ('A', '+17785550001', 't', 'l')`
    await sql`insert into voice_sessions (client_id, vapi_call_id) select id, 'theirs' from clients`
    await sql`insert into voice_sessions (client_id, vapi_call_id) values (null, 'of nobody')`
    const orphans = kind === 'that was missing' ? 1 : 0
    if (orphans)
      await sql`insert into voice_sessions (client_id, vapi_call_id) values (gen_random_uuid(), 'orphan')`
    await migrate(url)
    t.equal((await sql`select from voice_sessions`).length, 2 + orphans)
    t.strictSame(
      [
        ...(await sql`select confdeltype from pg_constraint where contype = 'f' and conrelid = 'voice_sessions'::regclass`),
      ],
      [{ confdeltype: 'c' }],
    )
    await sql`delete from clients`
    t.equal((await sql`select from voice_sessions where vapi_call_id = 'theirs'`).length, 0)
    t.equal((await sql`select from voice_sessions`).length, 1 + orphans)
  })
}

t.test('rows that lack what is required are kept, as clients that are not usable', async (t) => {
  const { url, sql } = await olderDatabase(
    t,
    'create table clients (id uuid primary key, client_name text, twilio_number text unique)',
  )
  await sql`insert into clients values (gen_random_uuid(), null, '7785550001'), (gen_random_uuid(), 'B', null),
    (gen_random_uuid(), 'C', null)`
  await migrate(url)
  const rows =
    await sql`select client_name, twilio_number, ghl_token, location_id from clients order by client_name`
  t.match(rows, [
    { client_name: '', twilio_number: '+17785550001', ghl_token: '', location_id: '' },
    { client_name: 'B', twilio_number: /^none /, ghl_token: '', location_id: '' },
    { client_name: 'C', twilio_number: /^none /, ghl_token: '', location_id: '' },
  ])
})

t.test('an owner of the database who is not a superuser may migrate it', async (t) => {
  const { url, sql } = await olderDatabase(t, 'select 1')
  const [place] = await sql<{ name: string }[]>`select current_database() as name`
  const name = place?.name ?? ''
  const role = `owner_${name}`
  await sql`create role ${sql(role)} login password 'secret' nosuperuser`
  t.teardown(async () => {
    await sql`reassign owned by ${sql(role)} to current_user`
    await sql`drop role ${sql(role)}`
  })
  await sql`alter database ${sql(name)} owner to ${sql(role)}`
  const owner = new URL(url)
  owner.username = role
  owner.password = 'secret'
  const theirs = postgres(owner.href, { max: 1, onnotice: () => {} })
  await theirs.unsafe(CLIENTS + SESSIONS).simple()
  await theirs`insert into clients (client_name, twilio_number, ghl_token, location_id) values ('A', '778 555 0001', 't', 'l')`
  await migrate(owner.href)
  t.strictSame([...(await theirs`select twilio_number from clients`)], [{ twilio_number: '+17785550001' }])
  await theirs.end()
})
