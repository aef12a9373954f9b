import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { Extent } from '../load.ts'
import { numberOf, report, TRANSCRIPT } from '../messages.ts'
import { failuresOf, inTurn, ratioOf, type Scenario, startOurs, typical } from '../scenario.ts'
import { kb, ms, perSecond, times } from '../table.ts'

const AT_ONCE = 10
const reports = Array.from({ length: 100 }, (_, n) => report(numberOf(n)))

/** The report of a call comes, and is acknowledged when it is committed. */
export const endOfCallReports: Scenario = {
  name: 'reports',
  patienceSeconds: 180,
  async run(bench) {
    const silent = await startSilence()
    try {
      const seen = await inTurn(bench, async () => {
        const ours = await startOurs(bench, { GHL_BASE_URL: silent.url })
        const { url: database, firstClientId: clientId } = bench.database
        return {
          ours: {
            slice: (extent: Extent) =>
              bench.load.run(
                { kind: 'flood', url: ours.url, requests: reports, connections: AT_ONCE, ...extent },
                [ours],
              ),
            stop: ours.stop,
          },
          upsert: {
            slice: (extent: Extent) =>
              bench.load.run({
                kind: 'upsert',
                database,
                clientId,
                transcript: TRANSCRIPT,
                atOnce: AT_ONCE,
                ...extent,
              }),
          },
        }
      })
      const ratio = ratioOf(seen.ours, seen.upsert, 'rate')
      const failures = failuresOf(seen.ours)
      const size = kb(Buffer.byteLength(reports[0]?.body ?? ''))
      return [
        {
          measure: `end-of-call-report of ${size}, acknowledged after its commit, ${AT_ONCE} at once`,
          ours: `${perSecond(typical(seen.ours, 'rate'))}, p50 ${ms(typical(seen.ours, 'p50'))}, ${failures} failures`,
          against: 'one autocommitted upsert of the session row',
          theirs: `${perSecond(typical(seen.upsert, 'rate'))}, p50 ${ms(typical(seen.upsert, 'p50'))}`,
          result: times(ratio),
          aim: `≥ ${times(0.85)}`,
          met: ratio >= 0.85 && failures === 0,
        },
      ]
    } finally {
      silent.close()
    }
  },
}

/** A CRM that takes requests and never answers. */
async function startSilence() {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.resume()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
