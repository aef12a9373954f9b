import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Whoever ends what it has started: a test of tap's, or a scenario of the fault suite. */
export interface Owner {
  teardown(end: () => unknown): void
}

export interface ServerProcess {
  child: ChildProcess
  /** What it wrote to stdout, line by line, parsed. */
  logs: Record<string, unknown>[]
  stderr: () => string
  /** Exit code and signal. */
  ended: Promise<[number | null, NodeJS.Signals | null]>
}

const running = new Set<ChildProcess>()
// Also if this process ends before their owner is done.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A program in an environment of its own; killed when its owner is done. */
export function startProcess(
  owner: Owner,
  command: string,
  args: readonly string[],
  env: Record<string, string | undefined> = {},
) {
  const { PATH, HOME } = process.env
  const child = spawn(command, args, { env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  void ended.catch(() => {}).then(() => running.delete(child))
  owner.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, ended }
}

const MAIN = fileURLToPath(new URL('../server.ts', import.meta.url))

/** `node server.ts` in an environment of its own; killed when its owner is done. */
export function startServer(
  owner: Owner,
  env: Record<string, string | undefined>,
  main = MAIN,
): ServerProcess {
  const { child, ended } = startProcess(owner, process.execPath, [main], {
    HOST: '127.0.0.1',
    PORT: '0',
    ...env,
  })
  const logs: Record<string, unknown>[] = []
  let rest = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) logs.push(JSON.parse(line))
  })
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  return { child, logs, stderr: () => stderr, ended }
}

/** The address it says it listens on. */
export function addressIn(logs: readonly Record<string, unknown>[]): string | undefined {
  for (const { msg } of logs) {
    const found = /Server listening at (http:\S+)/.exec(String(msg))
    if (found) return found[1]
  }
  return undefined
}
