import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../../services/database/free-port.ts'
import { type Owner, startProcess } from '../../process.ts'
import { audit } from '../audit.ts'
import { during } from '../load.ts'
import type { Scenario } from '../scenario.ts'
import { createScope, until } from '../scope.ts'
import { openWorld } from '../world.ts'

const missing = (program: string) => () =>
  spawnSync(program, ['--version'], { stdio: 'ignore' }).error ? `${program} is not installed` : undefined

const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

/** PgBouncer in transaction mode before a database. Answers the address to use instead. */
async function startPooler(owner: Owner, databaseUrl: string): Promise<string> {
  const { hostname, port, pathname, username, password } = new URL(databaseUrl)
  const name = pathname.slice(1)
  const own = await freePort()
  const directory = mkdtempSync(path.join(tmpdir(), 'faults-pgbouncer-'))
  owner.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const file = path.join(directory, 'pgbouncer.ini')
  const settings = [
    '[databases]',
    `${name} = host=${hostname} port=${port} dbname=${name} user=${username} password=${password}`,
    '[pgbouncer]',
    ...['listen_addr = 127.0.0.1', `listen_port = ${own}`, 'unix_socket_dir =', 'auth_type = any'],
    // Fewer connections than the instances have, so that they do get each other's.
    ...['pool_mode = transaction', 'default_pool_size = 5', 'max_client_conn = 500'],
  ]
  writeFileSync(file, `${settings.join('\n')}\n`)
  // It refuses to run as root.
  const isRoot = process.getuid?.() === 0
  for (const [target, mode] of [
    [directory, 0o755],
    [file, 0o644],
  ] as const)
    chmodSync(target, mode)
  const { child } = startProcess(owner, 'pgbouncer', [...(isRoot ? ['-u', 'postgres'] : []), file])
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    said = (said + text).slice(-2_000)
  })
  child.stdout?.resume()
  if (!(await until(() => listens(own), 10))) throw new Error(`PgBouncer did not start: ${said}`)
  const url = new URL(databaseUrl)
  url.port = String(own)
  return url.href
}

/** Redis on a port of its own that keeps nothing. */
async function startRedis(owner: Owner, port: number) {
  const { child, ended } = startProcess(owner, 'redis-server', [
    ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
  ])
  child.stdout?.resume()
  child.stderr?.resume()
  if (!(await until(() => listens(port), 10))) throw new Error('Redis did not start')
  return { child, ended }
}

/** What may stand between the instances and what they share. */
export const betweenScenarios: Scenario[] = [
  {
    name: 'pgbouncer',
    title: 'behind PgBouncer in transaction mode, an instance replaced meanwhile',
    missing: missing('pgbouncer'),
    async run({ cluster, calm }) {
      const scope = createScope()
      try {
        const world = await openWorld({
          cluster,
          through: (databaseUrl) => startPooler(scope, databaseUrl),
          env: (_, direct) => ({ DATABASE_DIRECT_URL: direct }),
        })
        scope.teardown(() => world.close())
        const load = await during(world, 0, async () => {
          await pause(3_000)
          const [old] = world.instances
          await world.startInstance()
          if (old) await world.stop(old)
          await pause(3_000)
        })
        calm()
        return await audit(world, load)
      } finally {
        await scope.close()
      }
    },
  },
  {
    name: 'redis-killed',
    title: 'Redis is killed under load, away for 3 s, and started again, twice',
    missing: missing('redis-server'),
    async run({ cluster, calm }) {
      const scope = createScope()
      try {
        const port = await freePort()
        let redis = await startRedis(scope, port)
        const world = await openWorld({ cluster, env: () => ({ REDIS_URL: `redis://127.0.0.1:${port}` }) })
        scope.teardown(() => world.close())
        const load = await during(world, 0, async () => {
          for (let round = 0; round < 2; round++) {
            await pause(2_000)
            redis.child.kill('SIGKILL')
            await redis.ended
            await pause(3_000)
            redis = await startRedis(scope, port)
          }
          await pause(2_000)
        })
        calm()
        return await audit(world, load)
      } finally {
        await scope.close()
      }
    },
  },
]
