import { createSecretKey, type KeyObject } from 'node:crypto'
import type { KeyRepository, KeyRow } from '../calls/keys-repository.ts'

/** The table is read this often, so that a key is known before it is needed and while the database is away. */
export const REFRESH_MS = 20_000
/** A new key signs when it is this old: by then every instance has read the table, three times over. */
const SETTLE_SECONDS = 60
/** An id that nobody knows has the table read again, but strangers cannot have that done as often as they like. */
const ASK_AGAIN_MS = 5_000

export interface SigningKey {
  readonly id: string
  readonly key: CryptoKey
  /** The same, for signing without a detour through the thread pool. */
  readonly secret: KeyObject
}

export interface KeyRingOptions {
  repository: Pick<KeyRepository, 'keysFor'>
  purpose: string
  askAgainMs?: number
}

/**
 * The keys of a purpose (HMAC with SHA-256), in memory: after the first reading it works without the database.
 *
 * The newest key that has settled signs; all verify, so that what was signed before a rotation stays good until its
 * key's row is deleted.
 */
export function createKeyRing({ repository, purpose, askAgainMs = ASK_AGAIN_MS }: KeyRingOptions) {
  let keys: ReadonlyMap<string, SigningKey> = new Map()
  let signing: SigningKey | undefined
  let reading: Promise<void> | undefined
  /** The last reading that an unknown id was the reason for. */
  let asked: Promise<void> | undefined
  let askedAt = Number.NEGATIVE_INFINITY

  async function read() {
    const rows = await repository.keysFor(purpose, SETTLE_SECONDS)
    const found = await Promise.all(rows.map(imported))
    keys = new Map(found.map((each) => [each.id, each]))
    // Where none has settled there is no older one that anybody could still be waiting with.
    const settled = rows.find((row) => row.settled) ?? rows.at(-1)
    signing = settled && keys.get(settled.id)
  }

  function refresh(): Promise<void> {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }

  return {
    /** Reads the table. Rejects if the database does not answer; what is known stays. */
    refresh,

    /** The key that signs; undefined if there is none at all. */
    signing: () => signing,

    /** The key of this id, if need be from the table. Never rejects. */
    async byId(id: string): Promise<SigningKey | undefined> {
      if (!keys.has(id)) {
        if (performance.now() - askedAt >= askAgainMs) {
          askedAt = performance.now()
          // A reading that is under way may have begun before the key was there.
          asked = Promise.resolve(reading)
            .catch(() => {})
            .then(refresh)
            .catch(() => {})
        }
        await asked
      }
      return keys.get(id)
    },
  }
}

export type KeyRing = ReturnType<typeof createKeyRing>

/** Imported once and kept: that takes longer than signing. */
async function imported({ id, secret }: KeyRow): Promise<SigningKey> {
  const bytes = Buffer.from(secret)
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', bytes, algorithm, false, ['sign', 'verify'])
  return { id, key, secret: createSecretKey(bytes) }
}
