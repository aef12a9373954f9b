import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { request } from 'undici'
import { startCrmSandbox } from '../sandbox/crm/server.ts'
import { createPlayer } from '../sandbox/player.ts'
import { createTestDatabase, eventually } from './helper.ts'
import { ROOT } from './imports.ts'
import { addressIn, startServer } from './process.ts'

/** The Dockerfile's steps by hand, in a folder that no other package can be found from, and a call to what they make. */

const dockerfile = readFileSync(path.join(ROOT, 'Dockerfile'), 'utf8')
const [, built = '', final = ''] = dockerfile.split(/^FROM .*$/m)
const image = mkdtempSync(path.join(tmpdir(), 'image-'))
t.teardown(() => rmSync(image, { recursive: true, force: true }))
const { PATH, HOME } = process.env

/** The variables of a line of ENV or RUN, with this folder in place of the image's. */
const variablesIn = (line: string) =>
  Object.fromEntries(
    [...line.matchAll(/\b([A-Z_]+)=(?:"([^"]+)"|(\S+))/g)].map(([, name = '', quoted, plain = '']) => [
      name,
      (quoted ?? plain).replace('/app', image),
    ]),
  )
const ofTheImage = Object.assign(
  {},
  ...[...final.matchAll(/^ENV (.+)$/gm)].map(([, line = '']) => variablesIn(line)),
) as Record<string, string>

function node(args: string[], env: Record<string, string | undefined>, input = '') {
  const done = spawnSync(process.execPath, args, {
    cwd: image,
    env: { PATH, HOME, ...env },
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1_048_576,
  })
  if (done.status !== 0) throw new Error(`node ${args.join(' ')}: ${done.stderr}`)
  return done
}

t.test('it is built', async (t) => {
  const [, build = ''] = /^RUN node (scripts\/build\.ts)$/m.exec(built) ?? []
  node([path.join(ROOT, build), '--out', path.join(image, 'dist')], {})
  for (const [, from = '', to = ''] of final.matchAll(/^COPY --from=build \/app\/(\S+) (\S+)$/gm)) {
    if (from === 'dist' || from === '.compile-cache') continue
    const target = to.endsWith('/') ? path.join(image, to, path.basename(from)) : path.join(image, to)
    mkdirSync(path.dirname(target), { recursive: true })
    cpSync(path.join(ROOT, from), target, { recursive: true })
  }
  const { packages } = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; dev?: boolean }>
  }
  const terms = readFileSync(path.join(image, 'dist/LICENSES.txt'), 'utf8')
    .split(/^={100}\n/m)
    .slice(1)
  const bundled = new Map(
    terms.map((text) => {
      const [heading = '', name = '', version = ''] = /^(\S+) (\S+) \(.+\)$/m.exec(text) ?? []
      return [`${name} ${version}`, text.slice(heading.length)]
    }),
  )
  const ours = new Set(
    Object.entries(packages)
      .filter(([, { dev }]) => !dev)
      .map(([folder, { version }]) => `${folder.slice(folder.lastIndexOf('node_modules/') + 13)} ${version}`),
  )
  t.ok([...bundled.keys()].some((name) => name.startsWith('fastify ')))
  for (const name of bundled.keys()) t.ok(ours.has(name), `${name} is for production`)
  t.same(
    [...bundled].filter(([, text]) => text.trim() === '').map(([name]) => name),
    [],
    'with their terms',
  )
  for (const file of readdirSync(path.join(image, 'dist')).filter((name) => name.endsWith('.js'))) {
    const code = readFileSync(path.join(image, 'dist', file), 'utf8')
    t.notMatch(code, /[^\0-\xff]/, `${file} takes one byte of memory a character`)
  }
})

t.test('it comes compiled, and what is compiled is used', async (t) => {
  const [, line = '', script = ''] = /^RUN (.*) node --eval "(.+)"/m.exec(built) ?? []
  const env = variablesIn(line)
  t.match(ofTheImage, env, 'looked for where it is made')
  t.match(built, /^ {2}&& chmod -R a\+rX \.compile-cache$/m)
  node(['--eval', script], env)
  const { stdout, stderr } = node(['--eval', script], { ...env, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' })
  const told = stdout + stderr
  t.match(told, /\/dist\/app\.js was accepted/)
  const chunks = [...told.matchAll(/\/dist\/chunk-\w+\.js was (\w+)/g)].map(([, verdict]) => verdict)
  t.ok(chunks.length > 3)
  t.same(new Set(chunks), new Set(['accepted']))
})

t.test('it migrates, takes a client and a call, shows itself, and ends', async (t) => {
  const crm = await startCrmSandbox({ now: () => Temporal.Now.instant() })
  t.teardown(() => crm.close())
  const LOCATION = 'TestLocation00009001'
  const CALENDAR = 'TestCalendar00009001'
  const zone = 'America/Vancouver'
  crm.addLocation({
    id: LOCATION,
    token: 'pit-test-image',
    timezone: zone,
    calendars: [
      {
        id: CALENDAR,
        slotMinutes: 30,
        openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '17:00' }],
      },
    ],
  })
  const collected = new Set<string>()
  const collector = createServer((incoming, answer) => {
    collected.add(incoming.url ?? '')
    incoming.resume().on('end', () => answer.end('{}'))
  }).listen(0, '127.0.0.1')
  t.teardown(() => collector.close().closeAllConnections())
  await eventually(() => collector.listening, 'the collector')
  const sink = `127.0.0.1:${(collector.address() as { port: number }).port}`
  const env = {
    ...ofTheImage,
    HOME: undefined,
    DATABASE_URL: await createTestDatabase('empty'),
    PUBLIC_URL: 'https://agent.example.com',
    VAPI_WEBHOOK_TOKEN: 'a-token',
    VAPI_CREDENTIAL_ID: 'cred_image',
    ADMIN_TOKEN: 'tests:an-admin-token',
    ENCRYPTION_KEY: 'ab'.repeat(32),
    GHL_BASE_URL: crm.url,
    GHL_CLIENT_ID: 'an-app',
    GHL_CLIENT_SECRET: 'a-secret',
    GHL_MCP_URL: `${crm.url}/mcp/`,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${sink}`,
    SENTRY_DSN: `http://key@${sink}/1`,
  }
  t.match(node(['dist/migrate.js'], env).stdout, /schema/i)
  const number = '+17785559001'
  const about = ['--name', 'Riverside Plumbing', '--number', number, '--location', LOCATION]
  const added = ['add', ...about, '--calendar', CALENDAR, '--timezone', zone, '--ghl-token', '-']
  node(['dist/clients.js', ...added], env, 'pit-test-image\n')
  t.match(node(['dist/clients.js', 'list'], env).stdout, /Riverside Plumbing/)

  const [, main = ''] = /^CMD \["node", "(.+)"\]$/m.exec(final) ?? []
  const server = startServer(t, env, path.join(image, main))
  const url = await eventually(() => addressIn(server.logs), 'the server to listen', 60)
  const webhook = `${url}/vapi/webhooks`
  const player = createPlayer({
    webhookUrl: webhook,
    serverUrl: webhook,
    token: 'a-token',
    called: number,
    caller: '+12505550188',
  })
  t.match(await player.ring(), { status: 200, body: { assistant: { model: {} } } })
  await player.status('in-progress')
  const tomorrow = Temporal.Now.plainDateISO(zone).add({ days: 1 }).toString()
  const booked = await player.tool('book_appointment', {
    start_time: `${tomorrow}T10:30`,
    name: 'Ann Lee',
  })
  t.match(booked.body, { results: [{ result: /^Booked: / }] })
  await player.status('ended', { endedReason: 'customer-ended-call' })
  t.equal((await player.report({ transcript: 'AI: Hello.', summary: 'Booked a visit.' })).status, 200)
  const location = crm.location(LOCATION)
  await eventually(() => location.contacts[0]?.notes.length, 'the note')
  t.match(node(['dist/calls.js', 'show', player.callId], env).stdout, /book_appointment/)
  t.same(JSON.parse(node(['dist/jobs.js', 'list', '--state', 'dead', '--json'], env).stdout), [])

  const read = async (where: string, authorization = 'Bearer a-token') => {
    const answer = await request(url + where, { headers: { authorization } })
    return { status: answer.statusCode, text: await answer.body.text() }
  }
  const openapi = readFileSync(path.join(ROOT, 'docs/openapi.json'), 'utf8')
  t.same(JSON.parse((await read('/openapi.json')).text).paths, JSON.parse(openapi).paths)
  for (const where of ['/docs', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js'])
    t.equal((await read(where)).status, 200, where)
  t.match(
    (await read('/metrics', 'Bearer an-admin-token')).text,
    /tool_duration_seconds_count\{tool="book_app/,
  )
  const tools = await request(`${url}/mcp`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer a-token',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'x-phone-number': number,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  })
  t.match(await tools.body.text(), /check_availability/)

  server.child.kill('SIGTERM')
  t.strictSame(await server.ended, [0, null])
  t.equal(server.stderr(), '')
  t.ok(collected.has('/v1/traces'), 'it has sent traces')
})
