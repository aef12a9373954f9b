import path from 'node:path'
import t from 'tap'
import { files, type Import, importsOf, isOurs, sources } from './imports.ts'

/** How the house is built, as a test: who may import whom, and what no file may do. */

const folderOf = (file: string) => file.split('/')[0] ?? ''
const isLeaf = (file: string) => /^services\/[^/]+\.ts$/.test(file)

/** Undefined if `file` may import `target`, else the reason. */
function objection(file: string, { target, typeOnly }: Import): string | undefined {
  const [from, to] = [folderOf(file), folderOf(target)]
  if (from === 'config.ts' || from === 'schemas') {
    return from === to ? undefined : 'schemas and config import nothing of ours'
  }
  if (from === 'services') {
    if (to === 'schemas') return undefined
    if (to !== 'services') return 'services import services and schemas only'
    if (isLeaf(file) && !isLeaf(target)) return 'a leaf knows no domain'
    const sameHouse = path.posix.dirname(file) === path.posix.dirname(target)
    return typeOnly || sameHouse || isLeaf(target) ? undefined : 'of another service, types only'
  }
  if (from === 'plugins')
    return to === 'services' || to === 'schemas' ? undefined : 'plugins import services and schemas'
  if (from === 'routes') {
    if (to === 'schemas' || to === 'routes') return undefined
    return to === 'services' && typeOnly ? undefined : 'routes import schemas and sibling routes'
  }
  return undefined
}

t.test('every import goes the way data flows', async (t) => {
  for (const file of files) {
    for (const found of importsOf(file).filter(({ target }) => isOurs(target))) {
      const reason = objection(file, found)
      if (reason) t.fail(`${file} imports ${found.target}: ${reason}`)
    }
  }
  t.ok(files.length > 30, `${files.length} files were looked at`)
})

t.test('no circle of imports', async (t) => {
  const done = new Set<string>()
  const visit = (file: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const { target, typeOnly } of importsOf(file)) {
      const circle = !typeOnly && isOurs(target) ? visit(target, [...way, file]) : undefined
      if (circle) return circle
    }
    done.add(file)
    return undefined
  }
  for (const file of files) t.notOk(visit(file, []), `${file} is in no circle`)
})

t.test('the domain knows neither Fastify nor the environment', async (t) => {
  for (const file of files.filter((name) => folderOf(name) === 'services' || folderOf(name) === 'schemas')) {
    const packages = importsOf(file).map(({ target }) => target)
    t.notOk(
      packages.some((name) => /^(fastify|@fastify\/)/.test(name)),
      `${file} does not import Fastify`,
    )
    t.notMatch(sources.get(file), /process\.env/, `${file} does not read the environment`)
  }
})

t.test('SQL lives in repositories', async (t) => {
  // Lower case, as all SQL here: prose in capitals and messages are none.
  const statement = /`\s*(select|insert into|update|delete from) \w+[^`]*?(from|values|set|as \()/
  for (const file of files.filter(
    (name) => !/repository\.ts$/.test(name) && !name.startsWith('services/database/'),
  )) {
    t.notMatch(sources.get(file), statement, `${file} holds no SQL`)
  }
})

t.test('files stay small, and the table of contents smaller', async (t) => {
  const length = (file: string) => (sources.get(file) ?? '').split('\n').length
  for (const file of files) t.ok(length(file) <= 250, `${file} has at most 250 lines`)
  for (const file of ['app.ts', 'plugins/services.ts'])
    t.ok(length(file) <= 80, `${file} has at most 80 lines`)
})
