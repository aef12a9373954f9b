import { createLookup, type Found, SourceUnavailable } from '../cache.ts'
import { toE164 } from '../phone.ts'
import type { Secrets } from '../secrets.ts'
import { type Client, toClient } from './client.ts'
import type { ClientRepository } from './repository.ts'

/** Who a request is about. `unavailable`: the database did not answer and nothing was known. */
export type Resolution =
  | { client: Client; source: 'cache' | 'load' | 'last-known' }
  | { client: undefined; reason: 'unknown' | 'unavailable' }

export interface ResolverOptions {
  repository: Pick<ClientRepository, 'byNumber' | 'byId' | 'numbersOf'>
  /** Opens what is sealed; without it only plain tokens can be read. */
  secrets?: Pick<Secrets, 'open'>
  max: number
  ttlMs: number
}

/** A change to the table `clients`, as its trigger announces it. */
interface Change {
  id: string
  numbers: string[]
  removed: boolean
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const UNKNOWN: Resolution = { client: undefined, reason: 'unknown' }

/** Phone number → client and id → client, through memory. */
export function createClientResolver({ repository, secrets, max, ttlMs }: ResolverOptions) {
  const numbers = createLookup<Client>({
    max,
    ttlMs,
    load: async (number) => {
      const row = await repository.byNumber(number)
      return row && toClient(row, secrets)
    },
  })
  const ids = createLookup<Client>({
    max,
    ttlMs,
    load: async (id) => {
      const row = await repository.byId(id)
      return row && toClient(row, secrets)
    },
  })

  const resolved = ({ value: client, source }: Found<Client>): Resolution =>
    client ? { client, source } : UNKNOWN

  /** At once if it is in memory, so that a ringing phone waits for nothing. */
  function find(lookup: typeof numbers, key: string): Resolution | Promise<Resolution> {
    const known = lookup.atHand(key)
    return known ? resolved(known) : ask(lookup, key)
  }

  async function ask(lookup: typeof numbers, key: string): Promise<Resolution> {
    try {
      return resolved(await lookup.get(key))
    } catch (error) {
      if (error instanceof SourceUnavailable) return { client: undefined, reason: 'unavailable' }
      throw error
    }
  }

  /**
   * What is kept as a last resort is held against the table, so that no client that was deleted and no number
   * that moved while nobody told us is ever answered. Needs the database: without it there was no change.
   */
  async function dropMoved() {
    const byNumber = numbers.known()
    const byId = ids.known()
    const wanted = new Set([...byNumber, ...byId].map(([, { id }]) => id))
    const existing = await repository.numbersOf([...wanted])
    for (const [number, { id }] of byNumber) if (existing.get(id) !== number) numbers.forget(number)
    for (const [id] of byId) if (!existing.has(id)) ids.forget(id)
  }

  const listeners: ((id: string | undefined) => void)[] = []
  const tell = (id?: string) => {
    for (const listener of listeners) listener(id)
  }

  return {
    /** By the number that was dialled, in any notation. Never rejects because the database is away. */
    byNumber(number: string | undefined): Resolution | Promise<Resolution> {
      const e164 = toE164(number)
      return e164 ? find(numbers, e164) : UNKNOWN
    },

    /** By the client's id (a UUID). Never rejects because the database is away. */
    byId(id: string | undefined): Resolution | Promise<Resolution> {
      return id && UUID.test(id) ? find(ids, id.toLowerCase()) : UNKNOWN
    },

    /** Takes in a notification of the channel `clients_changed`. One that cannot be read empties everything. */
    changed(payload: string): void {
      const change = readChange(payload)
      if (!change) return void this.clear()
      tell(change.id)
      const owned = change.removed ? undefined : change.numbers.at(-1)
      for (const number of change.numbers) {
        if (number === owned) numbers.outdate(number)
        // It has passed to somebody else, or to nobody: it must never again be answered for its old owner.
        else numbers.forget(number)
      }
      if (change.removed) ids.forget(change.id)
      else ids.outdate(change.id)
    },

    /** Changes may have been missed: everything is asked for again. Never rejects. */
    async clear(): Promise<void> {
      numbers.clear()
      ids.clear()
      tell()
      await dropMoved().catch(() => {})
    },

    /** Tells of clients that have changed; undefined: any of them may have. */
    onChange(listener: (id: string | undefined) => void): void {
      listeners.push(listener)
    },

    get size() {
      return numbers.size
    },

    /** How often who was answered from where. */
    counts: { number: numbers.counts, id: ids.counts },
  }
}

export type ClientResolver = ReturnType<typeof createClientResolver>

function readChange(payload: string): Change | undefined {
  try {
    const change = JSON.parse(payload) as Change
    return typeof change.id === 'string' && Array.isArray(change.numbers) ? change : undefined
  } catch {
    return undefined
  }
}
