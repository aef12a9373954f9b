import { createHash } from 'node:crypto'
import { setImmediate as afterAnswers } from 'node:timers/promises'
import type { Client } from '../clients/client.ts'
import type { Clock } from '../time.ts'
import type { SentAssistant, Step, StepRepository } from './steps-repository.ts'

/** Answering the phone does not wait for this; what is to be written goes together a few times a second. */
const WRITE_EVERY_MS = 250
/** More calls than that at a stroke and a database that is slow: what is too much is left out, and said. */
const WAITING_MAX = 2_000
/**
 * Calls, and versions of assistants, in one statement. Their JSON stays below 128 KB for the most part: larger texts have
 * a garbage collection of the whole heap each second, and hold up whoever is just ringing.
 */
const STEPS_AT_ONCE = 300
const VERSIONS_AT_ONCE = 10
/** Versions of assistants that are known to be stored. */
const KNOWN_MAX = 20_000

export interface JournalOptions {
  steps: StepRepository
  clock: Clock
  log: { warn(facts: object, message: string): void }
}

/** An assistant that answered a call. */
export interface Answered {
  client: Client
  callId: string
  at: Temporal.Instant
  source: string
  /** What the assistant was told of this call. */
  now: string | undefined
  caller: string
  /** The assistant with names in place of these words. Asked for once for each version. */
  assistant: (answer: Answered) => unknown
}

/**
 * Writes down what this server does about its calls, for their timelines. It costs nobody any time, so what the
 * server did in the second before a crash may be missing.
 */
export function createJournal({ steps, clock, log }: JournalOptions) {
  // By call: VAPI may ask twice, and then the later answer is the one that counts.
  const waiting = new Map<string, Answered>()
  /** Those that are to be stored, each with a client it was made for. */
  const versions = new Map<string, SentAssistant & { client: Client }>()
  const digests = new WeakMap<Client, string>()
  const known = new Set<string>()
  let lost = 0
  let writing: Promise<void> | undefined

  function digestOf(answer: Answered): string {
    const { client, assistant } = answer
    const found = digests.get(client)
    if (found) return found
    const made = assistant(answer)
    const digest = createHash('sha256').update(JSON.stringify(made)).digest('base64url').slice(0, 22)
    digests.set(client, digest)
    const key = `${client.id} ${digest}`
    if (!known.has(key)) versions.set(key, { client, clientId: client.id, digest, assistant: made })
    return digest
  }

  function stepOf(answer: Answered): Step | undefined {
    const { client, callId, source, now, caller } = answer
    const at = answer.at.epochMilliseconds
    try {
      const payload = { assistant: digestOf(answer), source, caller }
      return { clientId: client.id, callId, kind: 'assistant', at, payload, now }
    } catch (error) {
      log.warn({ call: callId, err: error }, 'a call was answered, which could not be written down')
      return undefined
    }
  }

  async function write(): Promise<void> {
    await afterAnswers()
    if (lost > 0) log.warn({ lost }, 'calls were answered faster than it could be written down')
    lost = 0
    if (waiting.size === 0) return
    const answers = [...waiting.values()]
    waiting.clear()
    let some: Step[] = []
    for (const [n, answer] of answers.entries()) {
      // To make an assistant once more takes as long as to answer some calls: those that wait go first.
      if (!digests.has(answer.client)) await afterAnswers()
      const step = stepOf(answer)
      if (step) some.push(step)
      const last = n === answers.length - 1
      if (!last && some.length < STEPS_AT_ONCE && versions.size < VERSIONS_AT_ONCE) continue
      try {
        await add(some)
      } catch (err) {
        const left = some.length + answers.length - n - 1
        log.warn({ steps: left, err }, 'calls were answered, which could not be written down')
        return
      }
      some = []
    }
  }

  async function add(some: readonly Step[]): Promise<void> {
    const sent = [...versions]
    versions.clear()
    const assistants = sent.map(([, { client: _made, ...assistant }]) => assistant)
    try {
      await steps.add(some, assistants)
      if (known.size > KNOWN_MAX) known.clear()
      for (const [key] of sent) known.add(key)
    } catch (error) {
      // Made and sent again with the next call of its client: so nothing piles up while the database is away.
      for (const [, { client }] of sent) digests.delete(client)
      throw error
    }
  }

  const flush = () => {
    writing ??= write().finally(() => {
      writing = undefined
    })
    return writing
  }
  const timer = setInterval(() => void flush(), WRITE_EVERY_MS).unref()

  return {
    answered(answer: Answered): void {
      if (waiting.size < WAITING_MAX) waiting.set(answer.callId, answer)
      else lost += 1
    },

    /** One attempt to make the CRM agree with a call. Never rejects. */
    async synced(clientId: string, callId: string, payload: Record<string, unknown>): Promise<void> {
      await steps
        .add([{ clientId, callId, kind: 'crm-sync', at: clock().epochMilliseconds, payload }])
        .catch((error) => log.warn({ call: callId, err: error }, 'a sync could not be written down'))
    },

    /** Writes what waits. */
    flush,

    async close(): Promise<void> {
      clearInterval(timer)
      await writing
      await flush()
    },
  }
}

export type Journal = ReturnType<typeof createJournal>
