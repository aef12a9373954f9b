import { createLru } from './lru.ts'

export interface LookupOptions<V extends object> {
  /** Asks the source. Undefined: there is no such value. */
  load: (key: string) => Promise<V | undefined>
  /** Values kept at most. */
  max: number
  /** Milliseconds for which a value counts as current, less up to a tenth so that not all expire together. */
  ttlMs: number
  /** Milliseconds for which a key is remembered to have no value. */
  unknownTtlMs?: number
  /** Milliseconds a reader waits for the source before it makes do with the last known value. */
  patienceMs?: number
}

/** `last-known`: the source did not answer; the value is the newest one seen, however old. */
export type Found<V> =
  | { value: V; source: 'cache' | 'load' | 'last-known' }
  | { value: undefined; source: 'cache' | 'load' }

/** The source did not answer and nothing is known of the key. */
export class SourceUnavailable extends Error {
  override readonly name = 'SourceUnavailable'
}

interface Flight<V> {
  key: string
  promise: Promise<V | undefined>
  /**
   * Set when something changes after the source was asked. `outdated`: the answer may be old, and serves as a
   * last resort only. `forgotten`: it must not be kept at all.
   */
  fate?: 'outdated' | 'forgotten'
}

const UNKNOWN_TTL_MS = 10_000
const PATIENCE_MS = 700
const UNKNOWN_MAX = 10_000

/**
 * A read-through cache of a slow source.
 *
 * - Any number of readers of one key cost one question to the source.
 * - Keys without a value are remembered apart, so that a flood of them evicts nobody.
 * - A change drops the value, and an answer that was under way at that time is handed to those who waited
 *   but not kept.
 * - The newest value seen is kept beyond its time as a last resort for when the source is down.
 *
 * `lru-cache` holds the values; its own `fetch` is not used because a `delete` rejects the waiters, and its
 * stale-on-error cannot tell "source down" from "no such value" for a key it has not seen.
 */
export function createLookup<V extends object>(options: LookupOptions<V>) {
  const current = createLru<V>(options.max, { ttl: options.ttlMs })
  const lastKnown = createLru<V>(options.max)
  const unknown = createLru<true>(UNKNOWN_MAX, { ttl: options.unknownTtlMs ?? UNKNOWN_TTL_MS })
  /** The question that new readers of a key join. */
  const flights = new Map<string, Flight<V>>()
  /** All questions that have not been answered, those that nobody joins any more included. */
  const airborne = new Set<Flight<V>>()
  const patienceMs = options.patienceMs ?? PATIENCE_MS
  const counts = { cache: 0, load: 0, 'last-known': 0, unavailable: 0 }

  function load(key: string): Promise<V | undefined> {
    const under = flights.get(key)
    if (under) return under.promise
    const flight: Flight<V> = { key, promise: Promise.resolve(undefined) }
    flight.promise = options
      .load(key)
      .then((value) => {
        if (!flight.fate) keep(key, value)
        else if (flight.fate === 'outdated' && value && !lastKnown.has(key)) lastKnown.set(key, value)
        return value
      })
      .finally(() => {
        airborne.delete(flight)
        if (flights.get(key) === flight) flights.delete(key)
      })
    airborne.add(flight)
    flights.set(key, flight)
    return flight.promise
  }

  function keep(key: string, value: V | undefined) {
    if (value) {
      current.set(key, value, { ttl: options.ttlMs * (1 - Math.random() / 10) })
      lastKnown.set(key, value)
      unknown.delete(key)
    } else {
      unknown.set(key, true)
      current.delete(key)
      lastKnown.delete(key)
    }
  }

  /** Whoever asks from now on asks the source; answers under way are not kept. */
  function outdate(key: string) {
    current.delete(key)
    unknown.delete(key)
    const flight = flights.get(key)
    if (!flight) return
    flight.fate ??= 'outdated'
    flights.delete(key)
  }

  /** What memory holds, without asking the source; undefined: nothing that counts as current. */
  function atHand(key: string): Found<V> | undefined {
    const value = current.get(key)
    if (!value && !unknown.has(key)) return undefined
    counts.cache += 1
    return { value, source: 'cache' } as Found<V>
  }

  return {
    atHand,

    /** @throws SourceUnavailable if the source does not answer in time and nothing is known of the key. */
    async get(key: string): Promise<Found<V>> {
      const known = atHand(key)
      if (known) return known
      let timer: NodeJS.Timeout | undefined
      const impatience = new Promise<never>((_, reject) => {
        const lose = () => reject(new Error(`no answer within ${patienceMs} ms`))
        // Where this process itself was held up, the answer may have come and not been read: it is read first.
        timer = setTimeout(() => setImmediate(lose), patienceMs)
      })
      try {
        const loaded = await Promise.race([load(key), impatience])
        counts.load += 1
        return { value: loaded, source: 'load' } as Found<V>
      } catch (cause) {
        const old = lastKnown.get(key)
        counts[old ? 'last-known' : 'unavailable'] += 1
        if (old) return { value: old, source: 'last-known' }
        throw new SourceUnavailable('the source did not answer', { cause })
      } finally {
        clearTimeout(timer)
      }
    },

    /** The value of this key has changed. */
    outdate,

    /** The key no longer has this value, not even as a last resort. */
    forget(key: string) {
      outdate(key)
      for (const flight of airborne) if (flight.key === key) flight.fate = 'forgotten'
      lastKnown.delete(key)
    },

    /** The newest value seen of each key, current or not. */
    known: () => [...lastKnown.entries()],

    /** Anything may have changed. */
    clear() {
      current.clear()
      unknown.clear()
      for (const key of [...flights.keys()]) outdate(key)
      // Not a last resort either: what they bring may belong to somebody else by now, and nobody will tell.
      for (const flight of airborne) flight.fate = 'forgotten'
    },

    /** How often a reader was answered from where, since the beginning. */
    counts: counts as Readonly<typeof counts>,

    /** Values that count as current, and flights under way. */
    get size() {
      return { current: current.size, unknown: unknown.size, flights: flights.size }
    },
  }
}

export type Lookup<V extends object> = ReturnType<typeof createLookup<V>>
