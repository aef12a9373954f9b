import { randomUUID } from 'node:crypto'
import { connect } from './connection.ts'
import type { Runner } from './pool.ts'

export interface ListenerOptions {
  url: string
  channel: string
  /** Used to send the heartbeat. */
  sql: Runner
  onMessage: (payload: string) => void
  /** After each (re)start of listening: whatever was sent before may have been missed. */
  onListening: () => void
  /** Listening does not work; called once until it works again. */
  onLost: (reason: string) => void
  heartbeatMs?: number
}

export interface Listener {
  /** Whether the last heartbeat came through. */
  readonly alive: boolean
  close(): Promise<void>
}

/** How long a heartbeat may be under way before the connection counts as dead. */
const HEARTBEAT_DEADLINE_MS = 3_000

/**
 * Keeps one LISTEN alive. The driver listens again by itself when it sees its connection close; what it
 * cannot see is a connection that is half-open, or a pooler that swallows LISTEN. Therefore a heartbeat goes
 * through the whole path, and a listener that does not hear it is replaced.
 */
export function createListener(options: ListenerOptions): Listener {
  const heartbeat = `heartbeat ${randomUUID()}`
  let connection = open()
  let alive = false
  let reported = false
  let closed = false
  let heard: (() => void) | undefined
  const timer = setInterval(beat, options.heartbeatMs ?? 5_000)
  timer.unref()

  function open() {
    const client = connect(options.url, {
      max: 1,
      connection: { application_name: '1000x-agent listener' },
    })
    client.sql
      .listen(
        options.channel,
        (payload) => {
          if (payload === heartbeat) heard?.()
          else if (!payload.startsWith('heartbeat ')) options.onMessage(payload)
        },
        () => {
          alive = true
          reported = false
          options.onListening()
        },
      )
      // Not reachable yet: the next heartbeat stays unheard and opens another connection.
      .catch(() => {})
    return client
  }

  async function beat() {
    if (heard) return
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const deadline = setTimeout(resolve, HEARTBEAT_DEADLINE_MS, false)
    heard = () => resolve(true)
    await options.sql`select pg_notify(${options.channel}, ${heartbeat})`.catch(() => {})
    alive = await promise
    clearTimeout(deadline)
    heard = undefined
    if (alive || closed) return
    if (!reported) options.onLost('a heartbeat was not heard')
    reported = true
    void connection.close(0)
    connection = open()
  }

  return {
    get alive() {
      return alive
    },
    async close() {
      closed = true
      clearInterval(timer)
      await connection.close(1)
    },
  }
}
