import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { createLru } from '../lru.ts'
import type { RunKey, ToolRepository } from './repository.ts'

/** Longer than a tool may run: whoever has not answered by then is dead, and his claim is taken over. */
const CLAIM_SECONDS = 11
/** For so long a failure that may pass is the answer to repetitions; then the tool is tried anew. */
const FAILURE_SECONDS = 5
/** How often another instance's answer is looked for, in milliseconds. */
const LOOK_FIRST_MS = 25
const LOOK_AT_MOST_MS = 250

/** Answers that are remembered in this process, for repetitions while the database is away. */
const REMEMBERED_MAX = 5_000
const REMEMBERED_MS = 60_000

export interface Run<A extends object> {
  key: RunKey
  signal: AbortSignal
  /** Whether the answer holds for good. */
  isFinal: (answer: A) => boolean
  work: () => Promise<A>
  /** The answer where another instance has not come to one in time. */
  pending: () => A
}

export interface RunsOptions {
  log: { warn(facts: object, message: string): void }
}

/**
 * Makes a tool call happen once, however often and wherever it is asked for: whoever claims it in the database
 * runs it, everybody else waits for his answer and gives the same one. Answers must survive JSON.
 * Without database a repetition is seen within this process only.
 */
export function createRuns({ log }: RunsOptions) {
  const running = new Map<string, Promise<object>>()
  const answered = createLru<object>(REMEMBERED_MAX, { ttl: REMEMBERED_MS })

  async function claimed<A extends object>(repository: ToolRepository, run: Run<A>): Promise<A> {
    const { key, signal } = run
    const owner = randomUUID()
    const facts = { client: key.clientId, call: key.callId, toolCall: key.toolCallId }
    for (let wait = LOOK_FIRST_MS; ; wait = Math.min(wait * 2, LOOK_AT_MOST_MS)) {
      const claim = await repository.claim(key, owner, CLAIM_SECONDS).catch((error) => {
        log.warn({ ...facts, err: error }, 'a tool call could not be claimed')
      })
      if (!claim) return run.work()
      if (claim.erased) return run.pending()
      if (claim.mine) break
      if (claim.answer !== null) return claim.answer as A
      if (signal.aborted) return run.pending()
      await pause(wait, undefined, { signal }).catch(() => {})
    }
    const answer = await run.work()
    const stored = { answer, final: run.isFinal(answer), seconds: FAILURE_SECONDS }
    await repository.answer(key, owner, stored).catch((error) => {
      log.warn({ ...facts, err: error }, 'the answer of a tool could not be kept')
    })
    return answer
  }

  return {
    /** @throws what `work` throws */
    async once<A extends object>(repository: ToolRepository | undefined, run: Run<A>): Promise<A> {
      const { clientId, callId, toolCallId } = run.key
      const id = JSON.stringify([clientId, callId, toolCallId])
      const known = answered.get(id) ?? running.get(id)
      if (known) return known as A | Promise<A>
      const own = repository ? claimed(repository, run) : run.work()
      running.set(id, own)
      try {
        const answer = await own
        if (run.isFinal(answer)) answered.set(id, answer)
        return answer
      } finally {
        running.delete(id)
      }
    },
  }
}
