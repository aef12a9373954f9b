import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { importsOf, isOurs, ROOT, sources } from './imports.ts'

/** That the container image is made of what the server needs, and of nothing else: image-run.test.ts runs it. */

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')
const dockerfile = read('Dockerfile')
const packages = JSON.parse(read('package.json')) as {
  dependencies: object
  devDependencies: Record<string, string>
}

for (const file of readdirSync(path.join(ROOT, 'scripts')))
  sources.set(`scripts/${file}`, read(`scripts/${file}`))

/** What is run in a container: the server, what operators use, and what a release runs. */
const PROGRAMS = ['server.ts', ...['clients', 'jobs', 'calls', 'migrate'].map((name) => `scripts/${name}.ts`)]

/** Every file and package that runs in production. */
function reached(): { files: Set<string>; packages: Set<string> } {
  const found = { files: new Set<string>(), packages: new Set<string>() }
  const visit = (file: string) => {
    if (found.files.has(file)) return
    found.files.add(file)
    for (const { target, typeOnly } of importsOf(file)) {
      if (typeOnly) continue
      if (isOurs(target)) visit(target)
      else if (target.endsWith('.json')) found.files.add(target)
      else
        found.packages.add(
          target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : (target.split('/')[0] ?? ''),
        )
    }
  }
  for (const program of PROGRAMS) visit(program)
  return found
}

const final = dockerfile.slice(dockerfile.lastIndexOf('FROM'))
/** What is copied from the checkout, to be built. */
const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list]) =>
  (list ?? '').split(' '),
)

t.test('every file that runs is copied and bundled', async (t) => {
  for (const file of reached().files)
    t.ok(
      copied.some((entry) => file === entry || file.startsWith(`${entry}/`)),
      file,
    )
  for (const entry of copied) t.ok(existsSync(path.join(ROOT, entry)), `${entry} exists`)
  const [, programs = ''] = /const PROGRAMS = \{([^}]+)\}/.exec(read('scripts/build.ts')) ?? []
  for (const program of PROGRAMS) t.match(programs, `'${program}'`)
})

t.test('what is copied passes .dockerignore, which keeps everything else out', async (t) => {
  const [first, ...kept] = read('.dockerignore').trim().split('\n')
  t.equal(first, '*')
  for (const entry of copied) t.ok(kept.includes(`!${entry}`), entry)
  t.same(kept.toSorted(), copied.map((entry) => `!${entry}`).toSorted())
})

t.test('every package the server loads is a production dependency', async (t) => {
  for (const name of reached().packages) {
    if (name.startsWith('node:') || builtinModules.includes(name)) continue
    t.ok(name in packages.dependencies, name)
  }
})

t.test('the reference that the server gives out comes with a production dependency', async (t) => {
  const resolved = [...sources.values()].flatMap((source) => [
    ...source.matchAll(/import\.meta\.resolve\([`'](@[^/]+\/[^/]+)/g),
  ])
  t.ok(resolved.length > 0)
  for (const [, name = ''] of resolved) t.ok(name in packages.dependencies, name)
})

t.test('the image runs the Node the tests run, not as root, and can be stopped', async (t) => {
  const major = /\d+/.exec(packages.devDependencies.node ?? '')?.[0]
  for (const [, tag] of dockerfile.matchAll(/^FROM (\S+)/gm)) t.equal(tag, `node:${major}-slim`)
  t.equal(process.versions.node.split('.')[0], major)
  t.match(dockerfile, /^USER node$/m)
  t.match(
    dockerfile,
    /^CMD \["node", "dist\/server\.js"\]$/m,
    'no shell between Docker and the server: it gets SIGTERM',
  )
  t.match(final, /^HEALTHCHECK .*\\\n {2}CMD \["node", /m)
  t.notMatch(final, /^RUN|--chown/m, 'nothing in it belongs to the user it runs as')
})

t.test('whoever runs the image gives it the time to end, and nothing to write on', async (t) => {
  const [, deadline] = /CLOSE_DEADLINE_MS = (\d+)_000/.exec(read('server.ts')) ?? []
  t.ok(Number(deadline) < 60)
  const fly = read('fly.toml')
  t.match(fly, /kill_signal = "SIGTERM"\n(#.*\n)?kill_timeout = 60/)
  t.match(fly, /release_command = "node dist\/migrate\.js"/)
  t.match(fly, /min_machines_running = 2/)
  for (const check of ['/health', '/ready']) t.match(fly, `path = "${check}"`)
  t.equal(/\[metrics\]\n {2}port = (\d+)/.exec(fly)?.[1], /METRICS_PORT = "(\d+)"/.exec(fly)?.[1])
  const compose = parse(read('compose.yaml')) as { services: Record<string, Record<string, unknown>> }
  for (const [name, service] of Object.entries(compose.services)) {
    t.match(service, { init: true, read_only: true, restart: 'unless-stopped' }, name)
    t.ok(service.deploy, `${name} has limits`)
  }
  t.match(compose.services.server, {
    env_file: '.env',
    stop_grace_period: '60s',
    depends_on: { postgres: { condition: 'service_healthy' }, redis: { condition: 'service_healthy' } },
  })
  for (const name of ['postgres', 'redis']) t.ok(compose.services[name]?.healthcheck, name)
})
