import { setTimeout as pause } from 'node:timers/promises'
import type { Owner } from '../process.ts'

/** What was started, to be ended in reverse order, once, whatever happened meanwhile. */
export interface Scope extends Owner {
  close(): Promise<void>
}

const open = new Set<Scope>()

export function createScope(): Scope {
  const ends: (() => unknown)[] = []
  const scope: Scope = {
    teardown: (end) => void ends.push(end),
    async close() {
      for (let end = ends.pop(); end; end = ends.pop()) {
        try {
          await end()
        } catch (error) {
          process.stderr.write(`while cleaning up: ${error instanceof Error ? error.stack : error}\n`)
        }
      }
      open.delete(scope)
    },
  }
  open.add(scope)
  return scope
}

/** Ends everything that any scope has started: the suite is interrupted. */
export const closeAll = async () => void (await Promise.all([...open].map((scope) => scope.close())))

/** Waits until `check` answers something truthy; answers whether it did so within `seconds`. */
export async function until(check: () => unknown, seconds: number, everyMs = 50): Promise<boolean> {
  const deadline = performance.now() + seconds * 1_000
  for (;;) {
    if (await check()) return true
    if (performance.now() > deadline) return false
    await pause(everyMs)
  }
}
