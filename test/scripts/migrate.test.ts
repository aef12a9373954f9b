import postgres from 'postgres'
import t from 'tap'
import { createTestDatabase, ENCRYPTION_KEY, TOKEN } from '../helper.ts'
import { run } from './program.ts'

const ENV = { NODE_ENV: 'production', VAPI_WEBHOOK_TOKEN: TOKEN, ENCRYPTION_KEY }

t.test('a release migrates an empty database, once', async (t) => {
  const env = { ...ENV, DATABASE_URL: await createTestDatabase('empty') }
  const first = await run('migrate.ts', [], { env })
  t.match(first, { code: 0, stdout: /The schema is at version \d+\.\n.*agent_server/, stderr: '' })
  t.same(await run('migrate.ts', [], { env }), first)
  const sql = postgres(env.DATABASE_URL, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  t.same(await sql`select id from clients`, [])
})

t.test('a user who may not make roles works under the policies as the tables’ owner', async (t) => {
  const url = new URL(await createTestDatabase('empty'))
  const sql = postgres(url.href, { max: 1, onnotice: () => {} })
  const [name, database] = [`plain_${process.pid}`, url.pathname.slice(1)]
  await sql`create role ${sql(name)} login password 'plain'`
  await sql`grant all on database ${sql(database)} to ${sql(name)}`
  await sql`grant all on schema public to ${sql(name)}`
  t.teardown(async () => {
    await sql`drop owned by ${sql(name)} cascade`
    await sql`drop role ${sql(name)}`
    await sql.end()
  })
  url.username = name
  url.password = 'plain'
  const { code, stdout, stderr } = await run('migrate.ts', [], { env: { ...ENV, DATABASE_URL: url.href } })
  t.match(
    { code, stdout, stderr },
    { code: 0, stdout: /owner, under row-level security all the same/, stderr: '' },
  )
  url.username = ''
  const rows = await sql`select relforcerowsecurity from pg_class where relname = 'voice_sessions'`
  t.same([...rows], [{ relforcerowsecurity: true }])
})

t.test('a release that cannot work fails, and says why without the password', async (t) => {
  const bad = await run('migrate.ts', [], { env: { ...ENV, ENCRYPTION_KEY: 'short' } })
  t.match(bad, { code: 1, stderr: /DATABASE_URL is required[\s\S]*ENCRYPTION_KEY must be/ })
  const url = 'postgres://agent:planted-password@127.0.0.1:1/agent'
  const away = await run('migrate.ts', [], { env: { ...ENV, DATABASE_URL: url } })
  t.match(away, { code: 1, stderr: /could not be migrated: ECONNREFUSED/ })
  t.notMatch(away.stdout + away.stderr, 'planted')
})
