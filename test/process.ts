import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

export interface ServerProcess {
  child: ChildProcess
  /** What it wrote to stdout, line by line, parsed. */
  logs: Record<string, unknown>[]
  stderr: () => string
  /** Exit code and signal. */
  ended: Promise<[number | null, NodeJS.Signals | null]>
}

/** `node server.ts` in an environment of its own; killed when the test is over. */
export function startServer(t: Test, env: Record<string, string | undefined>): ServerProcess {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [fileURLToPath(new URL('../server.ts', import.meta.url))], {
    env: { PATH, HOME, HOST: '127.0.0.1', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
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
