import { connect as openSocket, type Socket } from 'node:net'
import postgres from 'postgres'
import { arrayTypes } from './arrays.ts'

type Options<T extends Record<string, postgres.PostgresType>> = postgres.Options<T> & {
  connection: { application_name: string; [parameter: string]: string | number }
}

/** The driver's own options as it hands them on; hosts are tried in turn. */
interface Target {
  host: string[]
  port: number[]
  path: string | false
}

/** By itself the driver waits up to 20 s after some failures, with a query in hand that has 1.2. */
const BACKOFF_SECONDS = 0.2

/**
 * The driver with sockets of our own, because of what it does with its own:
 * - A server that closes the connection during start-up has it connect again at once, without pause or end
 *   (4,000 times in two seconds; postgres issue 1193). Here that is an error: the query is refused.
 * - A query that is handed to a connection between its error and its end never settles. Here no connection
 *   ends in error: then the driver refuses what is left.
 * - A connection that breaks while a statement waits to be written never writes again, also once it is made
 *   anew. `onBroken` tells, before the driver learns of it, so that it need not be used any more.
 * - A connection it gives up is only asked to close, and one that has gone silent keeps the process alive.
 */
export function connect<T extends Record<string, postgres.PostgresType> = Record<string, never>>(
  url: string,
  options: Options<T>,
  onBroken: () => void = () => {},
) {
  const sockets = new Set<Socket>()
  let attempts = 0
  let closed = false

  function socketTo({ host, port, path }: Target): Socket {
    if (closed) throw lost('the connections have been closed')
    const turn = attempts++ % host.length
    const address = { host: host[turn] ?? 'localhost', port: port[turn] ?? 5432 }
    const socket = openSocket(path ? { path } : address)
    sockets.add(socket)
    const emit = socket.emit.bind(socket) as (event: string, ...values: unknown[]) => boolean
    socket.emit = (event: string, ...values: unknown[]) =>
      emit(event, ...(event === 'close' ? [false] : values))
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => {
      if (socket.bytesRead > 0) onBroken()
    })
    socket.once('end', () => {
      // Its answer to our own goodbye.
      if (socket.writableEnded) return
      emit('error', lost('the server closed the connection'))
      socket.destroy()
    })
    // The driver names the server by these, in errors and to TLS.
    return Object.assign(socket, address)
  }

  const backoff = () => BACKOFF_SECONDS
  const settings = {
    connect_timeout: 5,
    backoff,
    onnotice: () => {},
    fetch_types: false,
    ...options,
    types: { ...arrayTypes, ...options.types },
    socket: socketTo,
  }
  const sql = postgres(url, settings as unknown as postgres.Options<T>)
  return {
    sql,
    /** Ends all connections: those at work after at most so many seconds, by force. */
    async close(seconds: number): Promise<void> {
      await sql.end({ timeout: seconds }).catch(() => {})
      closed = true
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** An error in the driver's own terms: the database is away, whoever is to blame. */
const lost = (message: string) => Object.assign(new Error(message), { code: 'CONNECTION_CLOSED' })
