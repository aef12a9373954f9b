import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs a command line of `scripts/` as a user does, in an environment of its own. */
export async function run(
  script: string,
  args: readonly string[],
  {
    env = {},
    input = '',
    started,
  }: {
    env?: Record<string, string | undefined>
    input?: string
    started?: (child: ChildProcess) => void
  } = {},
): Promise<Finished> {
  const { PATH, HOME } = process.env
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL(`../../scripts/${script}`, import.meta.url)), ...args],
    {
      env: { PATH, HOME, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  started?.(child)
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}
