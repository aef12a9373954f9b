import postgres from 'postgres'
import { migrate } from '../services/database/migrate.ts'
import { KNOWN } from './messages.ts'

const SETTINGS = {
  greeting: 'Thank you for calling Riverside Plumbing, this is Sam. How can I help?',
  business_details:
    'Family business since 1987, eleven people. Emergencies are served within two hours, day and night. ' +
    'We work in Vancouver, Burnaby and New Westminster. A visit is 90 dollars, which count towards the work. ' +
    'The office is at 12 River Street, with parking behind the house. Café Zürich is next door.',
  services: ['Leaks and burst pipes', 'Drains', 'Water heaters', 'Bathrooms', 'Gas lines and boilers'],
  hours: 'Monday to Friday 8 to 6, Saturday 9 to 1, emergencies at any time.',
  instructions: 'Ask for the address first. Never name a price other than that of the visit.',
  mcp_tools: { upstream: true },
}
const ZONES = ['America/Vancouver', 'America/New_York', 'America/Chicago', 'Europe/London']

/** A database of the benchmark's own on a server, migrated and with so many clients. */
export async function createBenchDatabase(server: string, clients: number) {
  const name = `agent_bench_${process.pid}`
  const admin = postgres(server, { max: 1, onnotice: () => {} })
  await admin`create database ${admin(name)}`
  const url = new URL(server)
  url.pathname = `/${name}`
  await migrate(url.href)

  const sql = postgres(url.href, { max: 1, onnotice: () => {} })
  // Nobody listens yet, and a million notifications are more than a queue of PostgreSQL's.
  await sql`alter table clients disable trigger announce_client_change`
  await sql`
    insert into clients (client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings)
    select 'Riverside Plumbing ' || n, '+1' || 7782000000 + n, 'bench-token-' || n,
      'BenchLocation' || lpad(n::text, 7, '0'), 'BenchCalendar' || lpad(n::text, 7, '0'),
      (${ZONES}::text[])[1 + n % ${ZONES.length}],
      case when n < ${KNOWN} then ${sql.json(SETTINGS)}::jsonb else '{}' end
    from generate_series(0, ${clients - 1}::bigint) n`
  await sql`alter table clients enable trigger announce_client_change`
  await sql`vacuum analyze clients`
  const [about] = await sql<{ version: string; durable: string; id: string }[]>`
    select current_setting('server_version') as version, current_setting('fsync') as durable,
      (select id::text from clients where twilio_number = '+17782000000') as id`
  await sql.end()

  return {
    url: url.href,
    clients,
    version: about?.version ?? '',
    /** Whether a commit waits for the disk. */
    durable: about?.durable === 'on',
    /** Of the client whose number is the first. */
    firstClientId: about?.id ?? '',
    /** Takes away the work that is queued, so that nobody does it beside what is measured next. */
    async forgetWork() {
      const owner = postgres(url.href, { max: 1, onnotice: () => {} })
      await owner`delete from outbox`
      const [queue] = await owner`select to_regclass('pgboss.job') as jobs`
      if (queue?.jobs) await owner`delete from pgboss.job where name = 'crm-sync'`
      await owner.end()
    },
    async drop() {
      await admin`drop database if exists ${admin(name)} with (force)`
      await admin.end()
    },
  }
}

export type BenchDatabase = Awaited<ReturnType<typeof createBenchDatabase>>
