import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * Before a PostgreSQL: counts the queries that have a text as a parameter, and holds them up for so long. A text that
 * is part of a longer one, as in JSON that is written there, is none.
 */
export async function startCountingProxy(url: string, text: string, holdMs: number) {
  const target = new URL(url)
  // So a parameter travels: its length in four bytes, and then itself.
  const parameter = `${String.fromCharCode(0, 0, 0, text.length)}${text}`
  let count = 0
  const server = createServer((near) => {
    const far = connect(Number(target.port || 5432), target.hostname)
    const end = () => {
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.setNoDelay(true).on('error', end).on('close', end)
    far.pipe(near)
    near.on('data', (chunk) => {
      const found = chunk.toString('latin1').split(parameter).length - 1
      count += found
      if (found === 0) return void far.write(chunk)
      near.pause()
      setTimeout(() => {
        if (!far.destroyed) far.write(chunk)
        near.resume()
      }, holdMs)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(typeof address === 'object' && address ? address.port : 0)
  return {
    url: through.href,
    count: () => count,
    close: () => server.close(),
  }
}
