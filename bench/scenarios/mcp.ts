import { request } from 'undici'
import type { Extent } from '../load.ts'
import { KNOWN, locationOf, mcpCall, numberOf, tokenOf } from '../messages.ts'
import type { Server } from '../processes.ts'
import {
  type Bench,
  failuresOf,
  flooded,
  inTurn,
  ratioOf,
  type Scenario,
  startOurs,
  startPeer,
  typical,
} from '../scenario.ts'
import { micros, ms, perSecond, type Row, times } from '../table.ts'

const TOOL = 'contacts_get-contacts'
const ARGUMENTS = { query_query: 'x'.repeat(1_900) }
const CONNECTIONS = 16
/** So many that none of them meets a limit. */
const CLIENTS = KNOWN

const forwarded = (clients: number) =>
  Array.from({ length: clients }, (_, n) => ({
    ...mcpCall(TOOL, ARGUMENTS, { 'x-phone-number': numberOf(n) }),
    path: '/mcp',
  }))

/** A tool of the CRM's own MCP server, called through ours. */
export const mcp: Scenario = {
  name: 'mcp',
  patienceSeconds: 180,
  run: async (bench) => [await latency(bench), await rate(bench)],
}

async function latency(bench: Bench): Promise<Row> {
  const clients = bench.quick ? 10 : 100
  const seen = await inTurn(bench, async () => {
    const upstream = await startPeer(bench, 'bench/servers/mcp-upstream.ts', { CLIENTS: String(clients) })
    const ours = await startOurs(bench, { GHL_MCP_URL: `${upstream.url}/mcp/` })
    const exchanges = forwarded(clients).map((call) => [call])
    for (const [call] of exchanges) if (call) await verify(ours.url, call)
    const direct = Array.from({ length: clients }, (_, n) => [
      {
        ...mcpCall(
          TOOL,
          { ...ARGUMENTS, query_locationId: locationOf(n) },
          { authorization: `Bearer ${tokenOf(n)}`, locationid: locationOf(n) },
        ),
        path: '/mcp/',
      },
    ])
    return {
      ours: {
        slice: (extent: Extent) => bench.load.run({ kind: 'exchanges', url: ours.url, exchanges, ...extent }),
        stop: ours.stop,
      },
      direct: {
        slice: (extent: Extent) =>
          bench.load.run({ kind: 'exchanges', url: upstream.url, exchanges: direct, ...extent }),
        stop: upstream.stop,
      },
    }
  })
  const more = typical(seen.ours, 'p50') - typical(seen.direct, 'p50')
  const failures = failuresOf(seen.ours) + failuresOf(seen.direct)
  return {
    measure: 'an MCP `tools/call` forwarded to the upstream',
    ours: `p50 ${ms(typical(seen.ours, 'p50'))}, p99 ${ms(typical(seen.ours, 'p99'))}, ${failures} failures`,
    against: 'the same call made directly',
    theirs: `p50 ${ms(typical(seen.direct, 'p50'))}, p99 ${ms(typical(seen.direct, 'p99'))}`,
    result: `+ ${ms(more)}`,
    aim: '≤ + 1.5 ms',
    met: more <= 1.5 && failures === 0,
  }
}

async function rate(bench: Bench): Promise<Row> {
  const clients = bench.quick ? 50 : CLIENTS
  const seen = await inTurn(bench, async () => {
    const upstream = await startPeer(bench, 'bench/servers/mcp-upstream.ts', { FIXED: '1' })
    const url = `${upstream.url}/mcp/`
    const ours = await startOurs(bench, { GHL_MCP_URL: url })
    const peer = await startPeer(bench, 'bench/servers/express.ts', {
      MCP_URL: url,
      DATABASE_URL: bench.database.url,
    })
    const requests = forwarded(clients)
    for (const server of [ours, peer]) if (requests[0]) await verify(server.url, requests[0])
    const contestant = (server: Server) => flooded(bench, server, { requests, connections: CONNECTIONS })
    return {
      ours: {
        ...contestant(ours),
        stop: async () => void (await Promise.all([ours.stop(), upstream.stop()])),
      },
      express: contestant(peer),
    }
  })
  const ratio = ratioOf(seen.ours, seen.express, 'rate')
  const cpu = 1 / ratioOf(seen.ours, seen.express, 'cpu')
  const figures = (name: keyof typeof seen) =>
    `${perSecond(typical(seen[name], 'rate'))}, CPU ${micros(typical(seen[name], 'cpu'))}, ${failuresOf(seen[name])} failures`
  return {
    measure: `the same, ${CONNECTIONS} at once`,
    ours: figures('ours'),
    against: 'Express, global fetch, reader loop',
    theirs: figures('express'),
    result: `${times(ratio)} (CPU ${times(cpu)})`,
    aim: `≥ ${times(2)}`,
    met: ratio >= 2 && failuresOf(seen.ours) === 0,
  }
}

async function verify(url: string, { path, ...call }: ReturnType<typeof forwarded>[number]) {
  const answer = await request(`${url}${path}`, call)
  const text = await answer.body.text()
  if (answer.statusCode !== 200 || !text.includes('xxxx'))
    throw new Error(`MCP is answered ${answer.statusCode}: ${text.slice(0, 300)}`)
}
