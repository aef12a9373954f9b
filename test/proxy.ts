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
  close(): Promise<void>
}

/** A TCP proxy before the server of a URL, which can be made to misbehave as networks do. */
export async function startProxy(targetUrl: string): Promise<TcpProxy> {
  const target = new URL(targetUrl)
  const sockets = new Set<Socket>()
  const waiting = new Set<() => void>()
  let frozen = false
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

  function take(near: Socket) {
    let far: Socket | undefined
    keep(near, () => far)
    const join = () => {
      waiting.delete(join)
      if (near.destroyed) return
      const joined = tcpConnect(Number(target.port || 5432), target.hostname)
      far = joined
      keep(joined, () => near)
      near.on('data', (chunk) => joined.write(chunk))
      joined.on('data', (chunk) => near.write(chunk))
      near.on('end', () => joined.end())
      joined.on('end', () => near.end())
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
    async close() {
      const closing = server && once(server, 'close')
      stopListening()
      killAll()
      await closing
    },
  }
}
