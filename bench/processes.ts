import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { connect } from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../services/database/free-port.ts'
import type { Figures } from './figures.ts'
import type { Job } from './load.ts'
import type { Question, Usage } from './probe.ts'

const ROOT = path.resolve(import.meta.dirname, '..')
/** As JavaScript: Node's own means of reading TypeScript would be in each server's memory, some 20 MB of it. */
const PROBE = `data:text/javascript,${encodeURIComponent(
  stripTypeScriptTypes(readFileSync(path.join(import.meta.dirname, 'probe.ts'), 'utf8')),
)}`
const START_DEADLINE_MS = 60_000
/** Those that change what Node makes of a source: it keeps that apart for each set of them. */
const FLAGS = ['--expose-gc']

export interface Server {
  readonly url: string
  /** Milliseconds from the start of the process until it took connections. */
  readonly startMs: number
  usage(question?: Question): Promise<Usage>
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

function start(file: string, args: string[], env: Record<string, string | undefined>, logFile: string) {
  const out = openSync(logFile, 'a')
  const { PATH, HOME } = process.env
  const child = fork(path.join(ROOT, file), args, {
    cwd: ROOT,
    env: { PATH, HOME, ...env },
    execArgv: [...FLAGS, '--import', PROBE],
    stdio: ['ignore', out, out, 'ipc'],
  })
  running.add(child)
  const ended = once(child, 'exit')
  void ended.then(() => running.delete(child))
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
  }
  return { child, ended, stop }
}

/** Node with these arguments, to its end; with the flags of the servers, so that what it compiles is for them. */
export function run(args: readonly string[], env: Record<string, string> = {}): void {
  const { PATH, HOME } = process.env
  execFileSync(process.execPath, [...FLAGS, ...args], { cwd: ROOT, env: { PATH, HOME, ...env } })
}

async function ask<A>(child: ChildProcess, question: object | string): Promise<A> {
  const answer = once(child, 'message', { signal: AbortSignal.timeout(180_000) })
  child.send(question)
  const [given] = await answer
  return given as A
}

/** A server in a process of its own; `{port}` in `args` is the port, as is PORT in its environment. */
export async function startServer(
  file: string,
  {
    args = [],
    env = {},
    logFile,
  }: { args?: string[]; env?: Record<string, string | undefined>; logFile: string },
): Promise<Server> {
  const port = await freePort()
  const begun = performance.now()
  const filled = args.map((arg) => arg.replace('{port}', String(port)))
  const { child, stop } = start(file, filled, { HOST: '127.0.0.1', PORT: String(port), ...env }, logFile)
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}\n${tailOf(logFile)}`)
    if (performance.now() - begun > START_DEADLINE_MS)
      throw new Error(`${file} does not listen\n${tailOf(logFile)}`)
    await pause(5)
  }
  return {
    url: `http://127.0.0.1:${port}`,
    startMs: performance.now() - begun,
    usage: (question = 'usage') => ask<Usage>(child, question),
    stop,
  }
}

const tailOf = (file: string) => readFileSync(file, 'utf8').slice(-2_000)

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** The process that makes the load. */
export function startLoad(logFile: string) {
  const { child, stop } = start('bench/load.ts', [], {}, logFile)
  return {
    async run(job: Job, servers: readonly Server[] = []): Promise<Figures> {
      const cpuOf = async () => {
        const used = await Promise.all(servers.map((server) => server.usage()))
        return used.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0)
      }
      const before = await cpuOf()
      const { figures, error } = await ask<{ figures?: Figures; error?: string }>(child, job)
      if (!figures) throw new Error(`the load failed: ${error}`)
      const cpu = ((await cpuOf()) - before) / (figures.answers + figures.failures)
      return servers.length > 0 ? { ...figures, cpu } : figures
    },
    stop,
  }
}

export type Load = ReturnType<typeof startLoad>
