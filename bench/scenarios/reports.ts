import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { Extent } from '../load.ts'
import { numberOf, report, SUMMARY, TRANSCRIPT } from '../messages.ts'
import type { Server } from '../processes.ts'
import {
  failuresOf,
  flooded,
  inTurn,
  ratioOf,
  type Scenario,
  startOurs,
  startPeer,
  typical,
} from '../scenario.ts'
import { kb, micros, ms, perSecond, type Row, times } from '../table.ts'

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
        const { url: database, firstClientId: clientId } = bench.database
        const ours = await startOurs(bench, { GHL_BASE_URL: silent.url })
        const floor = await startPeer(bench, 'bench/servers/floor-database.ts', {
          DATABASE_URL: database,
          CLIENT_ID: clientId,
        })
        const contestant = (server: Server) =>
          flooded(bench, server, { requests: reports, connections: AT_ONCE })
        const session = { clientId, transcript: TRANSCRIPT, summary: SUMMARY }
        return {
          ours: contestant(ours),
          floor: contestant(floor),
          upsert: {
            slice: (extent: Extent) =>
              bench.load.run({ kind: 'upsert', database, session, atOnce: AT_ONCE, ...extent }),
          },
        }
      })
      const failures = failuresOf(seen.ours)
      const size = kb(Buffer.byteLength(reports[0]?.body ?? ''))
      const figures = (name: keyof typeof seen) => {
        const cpu = typical(seen[name], 'cpu')
        const of = `${perSecond(typical(seen[name], 'rate'))}, p50 ${ms(typical(seen[name], 'p50'))}`
        return Number.isNaN(cpu) ? of : `${of}, CPU ${micros(cpu)}`
      }
      const against = (name: 'floor' | 'upsert', label: string, least?: number): Row => {
        const ratio = ratioOf(seen.ours, seen[name], 'rate')
        return {
          measure: `end-of-call-report of ${size}, acknowledged after its commit, ${AT_ONCE} at once`,
          ours: `${figures('ours')}, ${failures} failures`,
          against: label,
          theirs: figures(name),
          result: times(ratio),
          aim: least ? `≥ ${times(least)}` : '',
          ...(least && { met: ratio >= least && failures === 0 }),
        }
      }
      return [
        against('floor', 'bare Fastify route, one autocommitted upsert of the session row', 0.85),
        against('upsert', 'the upsert alone, with no HTTP at all'),
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
