/**
 * `npm test`: the whole suite with tap, on an embedded PostgreSQL or, with TEST_DATABASE_URL, on that server.
 * Arguments go to tap: `npm test -- test/config.test.ts`.
 *
 * Migrations and the queue's tables are made once, in a template; each test file copies it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PgBoss } from 'pg-boss'
import postgres from 'postgres'
import { startEmbeddedPostgres } from '../services/database/embedded.ts'
import { migrate } from '../services/database/migrate.ts'

const bin = (name: string) => fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url))
const template = `agent_test_template_${process.pid}`

// Of this run alone, so that several may go on at once.
const directory = `.data/tests/${process.pid}`
const embedded = process.env.TEST_DATABASE_URL
  ? undefined
  : await startEmbeddedPostgres({ directory, volatile: true })
const server = process.env.TEST_DATABASE_URL ?? embedded?.url ?? ''
const admin = postgres(server, { max: 1, onnotice: () => {} })
try {
  const url = new URL(server)
  url.pathname = `/${template}`
  await admin`create database ${admin(template)}`
  await migrate(url.href)
  const boss = new PgBoss({ connectionString: url.href, supervise: false, schedule: false })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  await boss.stop({ graceful: false })

  // tap is built for its plugins, and a fresh installation for its default ones. One of those strips types, which
  // Node does itself.
  const built = readFileSync(
    new URL('../node_modules/@tapjs/test/test-built/dist/esm/index.js', import.meta.url),
    'utf8',
  )
  if (built.includes('@tapjs/typescript')) await run('tap', ['build'], 'ignore')
  process.exitCode = await run('tap', ['run', ...process.argv.slice(2)], 'inherit')
} finally {
  const left =
    await admin`select datname from pg_database where datname like ${`agent_test_%_${process.pid}%`}`
  for (const { datname } of left) await admin`drop database if exists ${admin(datname)} with (force)`
  await admin.end()
  await embedded?.stop()
  if (embedded)
    for (const path of [directory, `${directory}.password`]) rmSync(path, { recursive: true, force: true })
}

async function run(command: string, args: string[], stdio: 'inherit' | 'ignore'): Promise<number> {
  const env = { ...process.env, TEST_DATABASE_URL: server, TEST_TEMPLATE: template }
  const child = spawn(bin(command), args, { stdio, env })
  const [code] = await once(child, 'exit')
  return code ?? 1
}
