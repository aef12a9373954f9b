import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseEnv } from 'node:util'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { loadConfig } from '../config.ts'
import { ClientSettings } from '../schemas/client.ts'
import { ADMIN_TOKEN, build, ENCRYPTION_KEY, TOKEN, VAPI_KEY } from './helper.ts'

/**
 * That the documentation is true. Each fenced block says what it is: `sh test` and `sql test` are run here, `sh account`
 * needs an account or a machine of one's own, `sh ci` is run by the CI as it stands.
 */

const ROOT = path.resolve(import.meta.dirname, '..')
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')
/** First the one that makes what the others speak of. */
const docs = [
  'docs/getting-started.md',
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
  ...readdirSync(path.join(ROOT, 'docs'))
    .filter((file) => file.endsWith('.md') && file !== 'getting-started.md')
    .map((file) => `docs/${file}`),
]
const texts = new Map(docs.map((file) => [file, read(file)]))
/** Written by the benchmark, also before it was run for the first time. */
const MADE_LATER = ['docs/performance.md']

interface Block {
  file: string
  info: string
  text: string
}
const blocks: Block[] = [...texts].flatMap(([file, text]) =>
  [...text.matchAll(/^( *)```(.*)\n([\s\S]*?)\n\1```$/gm)].map(([, indent = '', info = '', inner = '']) => ({
    file,
    info,
    text: inner.replaceAll(`\n${indent}`, '\n').trim(),
  })),
)
const prose = [...texts.values()].join('\n')

t.test('every block says what it is', async (t) => {
  const known = /^(sh (test( exit-0-or-1)?|account|ci)|sql (test|account)|json|mermaid|promql)$/
  for (const { file, info, text } of blocks) t.match(info, known, `${file}: ${text.split('\n')[0]}`)
  t.ok(blocks.length > 40)
})

t.test('every link leads somewhere', async (t) => {
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-')
  const headings = (file: string) =>
    [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => slug(text))
  for (const [file, text] of texts)
    for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https:\/\//.test(target)) continue
      const [name = '', anchor] = target.split('#')
      const found = name === '' ? file : path.posix.join(path.posix.dirname(file), name)
      if (MADE_LATER.includes(found)) continue
      t.ok(existsSync(path.join(ROOT, found)), `${file}: ${target}`)
      if (anchor) t.ok(headings(found).includes(anchor), `${file}: ${target}`)
    }
})

t.test('every variable is described, and none that does not exist', async (t) => {
  const schema = /const Environment = Type\.Object\(\{([\s\S]*?)^\}\)/m.exec(read('config.ts'))?.[1] ?? ''
  const variables = [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name).toSorted()
  const [process = '', settings = ''] = read('docs/configuration.md').split('## Settings of a client')
  const rows = [...process.matchAll(/^\| `([A-Z_]+)` *\| (?:`([^`]+)`)?/gm)]
  t.same(rows.map(([, name]) => name).toSorted(), variables, 'configuration.md')
  const example = parseEnv(read('.env.example'))
  t.same(Object.keys(example).toSorted(), variables, '.env.example')
  t.same(loadConfig(example), loadConfig({}), '.env.example holds the defaults')
  for (const [, name = '', preset] of rows)
    if (preset && !preset.includes('$')) t.equal(example[name], preset, `the default of ${name}`)
  const described = [...settings.matchAll(/^\| `([a-z_]+)` *\|/gm)].map(([, name]) => name)
  t.same(described.toSorted(), Object.keys(ClientSettings.properties).toSorted(), 'settings of a client')
})

t.test('every command and file that is named exists', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  for (const [, name = ''] of prose.matchAll(/npm run ([a-z:]+)/g)) t.ok(scripts[name], `npm run ${name}`)
  const sources = ['cli', 'clients', 'clients-vapi', 'clients-seal', 'clients-erase', 'calls', 'jobs']
    .map((name) => read(`scripts/${name}.ts`))
    .join('\n')
  for (const [, , name, rest = ''] of prose.matchAll(
    /(npm run (?:clients|calls|jobs) --|node dist\/(?:clients|calls|jobs)\.js) (\w+)([^|`\n]*(?:\\\n[^|`\n]*)*)/g,
  )) {
    const command = new RegExp(`\\b${name}( =|:) (command|turn)\\(|^ +${name},$`, 'm')
    t.ok(command.test(sources), `the command ${name}`)
    for (const [, option] of rest.matchAll(/ --([a-z-]+)/g))
      t.ok(new RegExp(`\\b${option}'?:`).test(sources), `--${option} of ${name}`)
  }
  for (const [, file = ''] of prose.matchAll(
    /`((?:services|plugins|routes|schemas|test|scripts)\/[\w./-]+)`/g,
  ))
    t.ok(existsSync(path.join(ROOT, file)), file)
})

t.test('every reason for which VAPI ends a call is in the list, and no other', async (t) => {
  const types = 'node_modules/@vapi-ai/server-sdk/dist/cjs/api/types/CallEndedReason.d.ts'
  const codes = [...new Set([...read(types).matchAll(/"([a-z][\w.-]+)"/gi)].map(([, code = '']) => code))]
  t.ok(codes.length > 500)
  const [, list = ''] = read('docs/troubleshooting.md').split('## By `endedReason`')
  const patterns = list
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => text))
  const expressions = patterns.map(
    (pattern) => [pattern, new RegExp(`^${pattern.split('*').map(RegExp.escape).join('.*')}$`)] as const,
  )
  for (const code of codes)
    if (!expressions.some(([, expression]) => expression.test(code))) t.fail(`${code} is not in the list`)
  for (const [pattern, expression] of expressions)
    t.ok(
      codes.some((code) => expression.test(code)),
      pattern,
    )
})

/** A listening server with what the commands speak of, and the environment for them. */
async function start(t: Test) {
  const { app, crm, vapi, addClient } = await build(t, {
    env: { GHL_MCP_URL: 'http://127.0.0.1:9/', GHL_CLIENT_ID: 'app', GHL_CLIENT_SECRET: 'secret' },
  })
  const client = await addClient({ client_name: 'Corner Salon' })
  const other = await addClient({ client_name: 'Old Mill Clinic' })
  const row = await app.clients.byId(other.id)
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const env = {
    PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
    HOME: process.env.HOME,
    NODE_ENV: 'test',
    PUBLIC_URL: address,
    DATABASE_URL: app.database.url,
    ENCRYPTION_KEY,
    ADMIN_TOKEN,
    VAPI_WEBHOOK_TOKEN: TOKEN,
    VAPI_API_KEY: VAPI_KEY,
    VAPI_BASE_URL: vapi.url,
    GHL_BASE_URL: crm.url,
    CLIENT: client.id,
    NUMBER: client.number,
    GHL_TOKEN: other.token,
    LOCATION_ID: other.locationId,
    CALENDAR_ID: row.client?.crm.calendarId ?? '',
  }
  return { app, env }
}

/** As npm would, without its half a second: that its scripts are these is seen to above. */
const PRELUDE = `set -euo pipefail
npm() { local name=$2; shift 3; node "scripts/$name.ts" "$@"; }
`

function run(command: string, env: Record<string, string | undefined>) {
  return new Promise<{ code: number; output: string }>((resolve) => {
    const options = { cwd: ROOT, env, timeout: 60_000 }
    const child = execFile('bash', ['-c', PRELUDE + command], options, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    )
    child.stdin?.end()
  })
}

t.test('what can be run does what it says', async (t) => {
  const { app, env } = await start(t)
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  for (const name of ['clients', 'calls', 'jobs']) t.equal(scripts[name], `node scripts/${name}.ts`)
  const byFile = Map.groupBy(
    blocks.filter(({ info }) => info.startsWith('sh test')),
    ({ file }) => file,
  )
  const follow = async (some: readonly Block[] = []) => {
    for (const { file, info, text } of some) {
      const { code, output } = await run(text, env)
      const fits = code === 0 || (code === 1 && info.endsWith('exit-0-or-1'))
      t.ok(fits, `${file}: ${text.split('\n')[0]}`, { code, output })
    }
  }
  const [first, ...rest] = byFile.values()
  await follow(first)
  await Promise.all(rest.map(follow))
  const owner = postgres(app.database.url, { max: 1, onnotice: () => {} })
  t.teardown(() => owner.end())
  for (const { file, text } of blocks.filter(({ info }) => info === 'sql test')) {
    const undone = new Error('undone')
    const work = owner.begin(async (tx) => {
      await tx.unsafe(text).simple()
      throw undone
    })
    await t.rejects(work, undone, `${file}: ${text.split('\n')[0]}`)
  }

  const tables = await owner<{ name: string; owned: boolean }[]>`
    select c.relname as name, bool_or(a.attname = 'client_id') as owned from pg_class c
    join pg_attribute a on a.attrelid = c.oid
    where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and c.relname <> 'schema_version'
    group by 1 order by 1`
  const [, described = ''] = read('docs/architecture.md').split('## The tables')
  const cells = [...(described.split('**Row')[0]?.matchAll(/^\| ([^|]+) \|/gm) ?? [])]
    .map(([, cell]) => cell)
    .join()
  for (const { name } of tables) t.ok(cells.includes(`\`${name}\``), `architecture.md: ${name}`)
  const distributed = [...read('docs/scaling.md').matchAll(/create_distributed_table\('(\w+)', 'client_id'/g)]
  const owned = tables.filter((table) => table.owned).map(({ name }) => name)
  t.same(distributed.map(([, name]) => name).toSorted(), owned, 'scaling.md distributes what has a client')

  const metrics = await app.metrics.text()
  for (const { file, text } of blocks.filter(({ info }) => info === 'promql'))
    for (const [name] of text.matchAll(
      /\b(?:request|upstream|tool|vapi|client|jobs|breakers|metrics|nodejs)\w*(?=[{[)\s])/g,
    ))
      if (name.includes('_') || /^(jobs|breakers)$/.test(name))
        t.match(
          metrics,
          new RegExp(`^# HELP ${name.replace(/_(bucket|count|sum)$/, '')} `, 'm'),
          `${file}: ${name}`,
        )

  const routes = [...app.operations.keys()]
  const named = [...prose.matchAll(/`(GET|POST|PATCH|DELETE) (\/[^`\s?]*)/g)]
  for (const [, method, url = ''] of named) {
    const shape = new RegExp(
      `^${method} ${url
        .split(/<[^>]+>|:\w+|…/)
        .map(RegExp.escape)
        .join('.+')}$`,
    )
    t.ok(
      routes.some((route) => shape.test(route)),
      `${method} ${url}`,
    )
  }
})
