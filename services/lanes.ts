import {
  BrokenCircuitError,
  type BulkheadPolicy,
  BulkheadRejectedError,
  bulkhead,
  type CircuitBreakerPolicy,
  CircuitState,
  CountBreaker,
  circuitBreaker,
  handleWhen,
  TaskCancelledError,
} from 'cockatiel'
import { createLru } from './lru.ts'
import { NotSent, UpstreamError } from './upstream.ts'

/** `live`: somebody on the phone waits for it. `background`: nobody does. */
export type Priority = 'live' | 'background'

export type LaneState = 'closed' | 'open' | 'half-open'

export interface LaneOptions {
  kind: string
  /** Requests under way and requests waiting, at most, for one key. */
  live?: Room
  background?: Room
  /** Milliseconds for which nothing is sent once a lane is open. */
  openMs?: number
  /** Told when requests stop and when they go on. */
  onStateChange?: ((change: { kind: string; key: string; state: LaneState }) => void) | undefined
}

interface Room {
  atOnce: number
  waiting: number
}

/** One request on its way through a lane. */
export interface Passage {
  /** Whose lane: a client's id, or '' where all share one. */
  key: string
  priority?: Priority
  operation: string
  /** Aborted when nobody waits any more: then it leaves the queue, or ends. */
  signal: AbortSignal
  /** What else it waits for, once it is its turn; not counted as the other side's time. */
  admitted?: (() => Promise<void>) | undefined
}

interface Lane {
  breaker: CircuitBreakerPolicy
  live: BulkheadPolicy
  background: BulkheadPolicy
  openedAt: number
}

/**
 * A tool makes up to four requests at once, so two callers of one business are served side by side. 50 callers
 * wait for tens of milliseconds while the CRM answers; while it hangs they hold 8 of the connections that all
 * clients share, not 50.
 */
const LIVE: Room = { atOnce: 8, waiting: 256 }
/** What nobody waits for goes on all the same, and never takes the place of what somebody does. */
const BACKGROUND: Room = { atOnce: 2, waiting: 16 }

/**
 * Opens when more than half of the last twenty requests failed, and not before there were ten: one tool whose
 * requests fail, each of them twice, has some six. They are counted
 * rather than timed: cockatiel's SamplingBreaker moves on by one window a request, so that with a quiet client its
 * half minute lasts for hours.
 */
const FAILURES = { threshold: 0.5, size: 20, minimumNumberOfCalls: 10 }
/** A CRM that is back is noticed within the same sentence of a conversation. */
const OPEN_MS = 5_000
/** What happened longer ago says nothing about now: a lane without requests is forgotten. */
const FORGOTTEN_MS = 120_000
/** 3.5 KB each. More clients than that are not on the phone at once here; whose lane is dropped gets a new one. */
const LANES_MAX = 2_000

/**
 * The ways to one remote system, one for each key, so that trouble on one does not reach the others: so many
 * requests at once, so many waiting, and none for a while after too many have failed.
 *
 * A failure is no answer in time, a broken one, or a 5xx. Refusals (4xx) are answers, 429 included, and who hangs
 * up has learnt nothing.
 */
export function createLanes(options: LaneOptions) {
  const { kind, live = LIVE, background = BACKGROUND, openMs = OPEN_MS, onStateChange } = options
  const lanes = createLru<Lane>(LANES_MAX, { ttl: FORGOTTEN_MS, updateAgeOnGet: true })

  function laneOf(key: string): Lane {
    const known = lanes.get(key)
    if (known) return known
    const breaker: CircuitBreakerPolicy = circuitBreaker(
      // The one request that is to find out must find out.
      handleWhen((error) => !(error instanceof Abandoned) || breaker.state === CircuitState.HalfOpen),
      { halfOpenAfter: openMs, breaker: new CountBreaker(FAILURES) },
    )
    const lane: Lane = {
      breaker,
      live: bulkhead(live.atOnce, live.waiting),
      background: bulkhead(background.atOnce, background.waiting),
      openedAt: 0,
    }
    breaker.onStateChange((state) => {
      if (state === CircuitState.Open) lane.openedAt = Date.now()
      onStateChange?.({ kind, key, state: nameOf(state) })
    })
    lanes.set(key, lane)
    return lane
  }

  function open({ breaker, openedAt }: Lane, operation: string): NotSent | undefined {
    const left = openedAt + openMs - Date.now()
    // Half open, one request is under way to find out; cockatiel would have the others wait for it.
    const closed = breaker.state === CircuitState.Closed || (breaker.state === CircuitState.Open && left <= 0)
    if (closed) return undefined
    return new NotSent(operation, 'open', 'too many requests before it failed', left > 0 ? left / 1_000 : 1)
  }

  return {
    /**
     * @throws NotSent if it is held back; else what `work` throws
     */
    async run<T>({ key, priority = 'live', ...passage }: Passage, work: () => Promise<T>): Promise<T> {
      const { operation, signal, admitted } = passage
      const lane = laneOf(key)
      let turn = false

      const attempt = async () => {
        turn = true
        await admitted?.()
        // Those before it may have failed meanwhile.
        const held = open(lane, operation)
        if (held) throw held
        return lane.breaker.execute(() => settle(work, signal))
      }

      const left = Promise.withResolvers<never>()
      const leave = () => {
        if (!turn) left.reject(new NotSent(operation, 'cancelled', 'nobody waits for it any more'))
      }
      signal.addEventListener('abort', leave, { once: true })
      try {
        const held = open(lane, operation)
        if (held) throw held
        const settled = await Promise.race([lane[priority].execute(attempt, signal), left.promise])
        if (!settled.ok) throw settled.error
        return settled.value
      } catch (error) {
        throw unwrapped(error, operation)
      } finally {
        signal.removeEventListener('abort', leave)
      }
    },

    /** The state of every lane that was used lately. */
    *states(): Generator<{ kind: string; state: LaneState }> {
      for (const { breaker } of lanes.values()) yield { kind, state: nameOf(breaker.state) }
    },
  }
}

export type Lanes = ReturnType<typeof createLanes>

/** Whoever asked has gone before there was an answer: the other side did nothing wrong. */
class Abandoned extends Error {}

type Settled<T> = { ok: true; value: T } | { ok: false; error: unknown }

/** To the breaker an answer is a success, whatever it says; only what is thrown here can count as a failure. */
async function settle<T>(work: () => Promise<T>, signal: AbortSignal): Promise<Settled<T>> {
  try {
    return { ok: true, value: await work() }
  } catch (error) {
    if (!(error instanceof UpstreamError) || !error.unanswered) return { ok: false, error }
    throw signal.aborted ? new Abandoned('', { cause: error }) : error
  }
}

function unwrapped(error: unknown, operation: string): unknown {
  if (error instanceof Abandoned) return error.cause
  if (error instanceof BulkheadRejectedError) return new NotSent(operation, 'busy', 'too many are waiting', 1)
  if (error instanceof TaskCancelledError)
    return new NotSent(operation, 'cancelled', 'nobody waits for it any more')
  if (error instanceof BrokenCircuitError)
    return new NotSent(operation, 'open', 'too many requests before it failed', 1)
  return error
}

function nameOf(state: CircuitState): LaneState {
  if (state === CircuitState.Closed) return 'closed'
  return state === CircuitState.HalfOpen ? 'half-open' : 'open'
}
