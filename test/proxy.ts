import { once } from 'node:events'
import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net'

export interface TcpProxy {
  /** The target's address with the proxy's host and port. */
  readonly url: string
  /** Connections stay open and new ones are taken, but nothing goes through: a half-open network. */
  freeze(): void
  /** What was held back goes through, in order. */
  thaw(): void
  /** Cuts all connections and refuses new ones: a server that is not running. */
  refuse(): void
  /** Takes connections again. */
  accept(): void
  /** Cuts all connections; new ones are welcome. */
  killAll(): void
  /** Everything takes so many milliseconds longer, each way; 0 ends it. */
  slow(ms: number): void
  /** New connections go to this address from now on: the server has moved. */
  retarget(url: string): void
  close(): Promise<void>
}

/** A TCP proxy before the server of a URL, which can be made to misbehave as networks do. */
export async function startProxy(targetUrl: string): Promise<TcpProxy> {
  let target = new URL(targetUrl)
  const sockets = new Set<Socket>()
  const waiting = new Set<() => void>()
  let frozen = false
  let delayMs = 0
  let server: Server | undefined
  let port = 0

  function keep(socket: Socket, other: () => Socket | undefined) {
    sockets.add(socket)
    socket.setNoDelay(true)
    // Losing a connection is what this is for.
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      other()?.destroy()
    })
  }

  /** Runs what is given to it in order, each so much later as the network is slow at that moment. */
  function lane() {
    let free = 0
    return (work: () => void) => {
      const now = performance.now()
      free = Math.max(free, now + delayMs)
      if (free <= now) work()
      else setTimeout(work, free - now)
    }
  }

  function take(near: Socket) {
    let far: Socket | undefined
    keep(near, () => far)
    const join = () => {
      waiting.delete(join)
      if (near.destroyed) return
      const joined = tcpConnect(Number(target.port || 5432), target.hostname)
      far = joined
      keep(joined, () => near)
      for (const [from, to] of [
        [near, joined],
        [joined, near],
      ] as const) {
        const later = lane()
        from.on('data', (chunk) => later(() => void to.write(chunk)))
        from.on('end', () => later(() => void to.end()))
      }
      if (frozen) for (const socket of [near, joined]) socket.pause()
    }
    near.on('close', () => waiting.delete(join))
    if (frozen) waiting.add(join)
    else join()
  }

  function listen(): Server {
    const opened = createServer(take)
    opened.listen(port, '127.0.0.1')
    server = opened
    return opened
  }

  const killAll = () => {
    for (const socket of [...sockets]) socket.destroy()
  }
  const stopListening = () => {
    server?.close()
    server = undefined
  }

  await once(listen(), 'listening')
  const address = server && (server as Server).address()
  port = typeof address === 'object' && address ? address.port : 0
  const url = new URL(targetUrl)
  url.hostname = '127.0.0.1'
  url.port = String(port)

  return {
    url: url.href,
    freeze() {
      frozen = true
      for (const socket of sockets) socket.pause()
    },
    thaw() {
      frozen = false
      // Joined first: what came meanwhile must find somebody who reads it.
      for (const join of [...waiting]) join()
      for (const socket of sockets) socket.resume()
    },
    refuse() {
      stopListening()
      killAll()
    },
    accept() {
      if (!server) listen()
    },
    killAll,
    slow(ms) {
      delayMs = ms
    },
    retarget(moved) {
      target = new URL(moved)
    },
    async close() {
      const closing = server && once(server, 'close')
      stopListening()
      killAll()
      await closing
    },
  }
}
