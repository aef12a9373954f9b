import { readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import t from 'tap'
import { importsOf, isOurs, ROOT } from './imports.ts'

/** That the container image holds what the server needs, and nothing it does not. No container engine is needed. */

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')
const dockerfile = read('Dockerfile')
const packages = JSON.parse(read('package.json')) as {
  dependencies: object
  devDependencies: Record<string, string>
}

/** Every file and package that runs in production, from server.ts on. */
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
  visit('server.ts')
  return found
}

/** What the final stage copies from the checkout. */
const copied = [
  ...dockerfile.slice(dockerfile.lastIndexOf('FROM')).matchAll(/^COPY (?!--from)(.+) \S+$/gm),
].flatMap(([, list]) => (list ?? '').split(' '))

t.test('every file the server reaches is copied', async (t) => {
  for (const file of reached().files)
    t.ok(
      copied.some((entry) => file === entry || file.startsWith(`${entry}/`)),
      file,
    )
  t.ok(copied.includes('migrations'), 'the migrations, which are read at start')
})

t.test('what is copied passes .dockerignore, which keeps everything else out', async (t) => {
  const [first, ...kept] = read('.dockerignore').trim().split('\n')
  t.equal(first, '*')
  for (const entry of [...copied, 'package-lock.json']) t.ok(kept.includes(`!${entry}`), entry)
  for (const entry of ['.env', 'node_modules', 'test', 'sandbox', '.git'])
    t.notOk(kept.includes(`!${entry}`), entry)
})

t.test('every package the server loads is a production dependency', async (t) => {
  for (const name of reached().packages) {
    if (name.startsWith('node:') || builtinModules.includes(name)) continue
    t.ok(name in packages.dependencies, name)
  }
})

t.test('the image runs the Node the tests run, not as root, and can be stopped', async (t) => {
  const major = /\d+/.exec(packages.devDependencies.node ?? '')?.[0]
  for (const [, tag] of dockerfile.matchAll(/^FROM (\S+)/gm)) t.equal(tag, `node:${major}-slim`)
  t.equal(process.versions.node.split('.')[0], major)
  t.match(dockerfile, /^USER node$/m)
  t.match(
    dockerfile,
    /^CMD \["node", "server\.ts"\]$/m,
    'no shell between Docker and the server: it gets SIGTERM',
  )
  t.match(read('fly.toml'), /kill_signal = "SIGTERM"\nkill_timeout = 60/)
})
