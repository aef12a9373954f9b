import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { startEmbeddedPostgres } from '../../../services/database/embedded.ts'
import { eventually } from '../../helper.ts'

/** A directory for a cluster; `mode` says who may enter the place it lies in. */
async function place(t: Test, mode = 0o755) {
  const parent = await mkdtemp(path.join(tmpdir(), 'embedded-'))
  await chmod(parent, mode)
  t.teardown(() => rm(parent, { recursive: true, force: true }))
  return path.join(parent, 'postgres')
}

const connect = (url: string) => postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 2 })

/** Until the server has left the directory. */
const free = (directory: string) =>
  eventually(async () => {
    const left = await stat(path.join(directory, 'postmaster.pid')).catch(() => undefined)
    return left === undefined
  }, 'the place to be free')

async function answers(url: string): Promise<boolean> {
  const sql = connect(url)
  return sql`select 1`
    .then(
      () => true,
      () => false,
    )
    .finally(() => sql.end({ timeout: 0 }))
}

t.test(
  'it is made on first use, keeps what it is told, and is listened to from this machine only',
  async (t) => {
    const directory = await place(t)
    const first = await startEmbeddedPostgres({ directory, volatile: true })
    t.equal(new URL(first.url).hostname, '127.0.0.1')
    t.match(new URL(first.url).password, /.{20,}/)
    const sql = connect(first.url)
    await sql`create table kept (word text)`
    await sql`insert into kept values ('日本')`
    const settings = await sql<{ name: string; setting: string }[]>`
    select name, setting from pg_settings where name in ('listen_addresses', 'unix_socket_directories', 'server_encoding')`
    t.strictSame(Object.fromEntries(settings.map(({ name, setting }) => [name, setting])), {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      server_encoding: 'UTF8',
    })
    await sql.end()
    await first.stop()
    await first.stop()
    t.equal(await answers(first.url), false)

    const second = await startEmbeddedPostgres({ directory, volatile: true })
    const again = connect(second.url)
    t.strictSame([...(await again`select word from kept`)], [{ word: '日本' }])
    await again.end()
    await second.stop()
  },
)

t.test('a second start in the same place is refused, and the place is named', async (t) => {
  const directory = await place(t)
  const first = await startEmbeddedPostgres({ directory, volatile: true })
  await t.rejects(startEmbeddedPostgres({ directory, volatile: true }), {
    message: new RegExp(`${RegExp.escape(directory)} is in use by another process`),
  })
  t.equal(await answers(first.url), true, 'and does the first one no harm')
  await first.stop()
})

t.test('who shares a place uses the database that runs there, and leaves it running', async (t) => {
  const directory = await place(t)
  const first = await startEmbeddedPostgres({ directory, volatile: true })
  const guest = await startEmbeddedPostgres({ directory, volatile: true, shared: true })
  t.equal(guest.url, first.url)
  await guest.stop()
  t.equal(await answers(first.url), true)
  await first.stop()
  t.equal(await answers(first.url), false)

  const alone = await startEmbeddedPostgres({ directory, volatile: true, shared: true })
  t.equal(await answers(alone.url), true, 'where nobody runs it, it is started')
  await alone.stop()
  t.equal(await answers(alone.url), false)
})

t.test('a parent that is killed takes its database along, and the place can be used again', async (t) => {
  const directory = await place(t)
  const module = new URL('../../../services/database/embedded.ts', import.meta.url).href
  const code = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(module)})
    const { url } = await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, volatile: true })
    process.stdout.write(url + '\\n')
    setInterval(() => {}, 1_000)`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  parent.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  await eventually(() => output.includes('\n'), 'the database to start', 60)
  const url = output.trim()
  t.equal(await answers(url), true)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  await eventually(async () => !(await answers(url)), 'the database to end')
  await free(directory)

  const next = await startEmbeddedPostgres({ directory, volatile: true })
  t.equal(await answers(next.url), true)
  await next.stop()
})

t.test('it starts where nobody else may enter, as when root keeps its checkout in /root', async (t) => {
  const directory = await place(t, 0o700)
  const first = await startEmbeddedPostgres({ directory, volatile: true })
  const sql = connect(first.url)
  const [where] = await sql<
    { setting: string }[]
  >`select setting from pg_settings where name = 'data_directory'`
  t.teardown(async () => {
    for (const left of ['', '.password'])
      await rm(`${where?.setting}${left}`, { recursive: true, force: true })
  })
  await sql`create table kept (n int)`
  await sql.end()
  await t.rejects(startEmbeddedPostgres({ directory, volatile: true }), {
    message: new RegExp(`${RegExp.escape(directory)} is in use by another process`),
  })
  await first.stop()
  const second = await startEmbeddedPostgres({ directory, volatile: true })
  const again = connect(second.url)
  t.equal((await again`select from kept`).length, 0, 'the same place, the same data')
  await again.end()
  await second.stop()
})

t.test('a process that has nothing left to do ends, and its database with it', async (t) => {
  const directory = await place(t)
  const module = new URL('../../../services/database/embedded.ts', import.meta.url).href
  const code = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(module)})
    process.stdout.write((await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, volatile: true })).url)`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let url = ''
  parent.stdout.setEncoding('utf8').on('data', (text) => {
    url += text
  })
  const [status] = await once(parent, 'exit')
  t.equal(status, 0)
  t.match(url, /^postgres:/)
  await eventually(async () => !(await answers(url)), 'the database to end')
  await free(directory)
})
