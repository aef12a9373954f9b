import { setTimeout as pause } from 'node:timers/promises'
import { startCrm } from '../crm.ts'
import { KNOWN, mcpCall, numberOf, report, toolCall, webhook } from '../messages.ts'
import { type Bench, type Scenario, startOurs, startPeer } from '../scenario.ts'
import { kb, mb, type Row } from '../table.ts'

const CONNECTIONS = 16
const REQUESTS = 100_000

/** What is held in memory: of one client, and of the whole process after a day's work. */
export const memory: Scenario = {
  name: 'memory',
  patienceSeconds: 300,
  run: async (bench) => [await oneClient(bench), await manyRequests(bench)],
}

async function oneClient(bench: Bench): Promise<Row> {
  const server = await startOurs(bench)
  const clients = bench.quick ? 200 : KNOWN
  const warmed = 50
  /** Three calls of each: the client is read, its template made, and used. */
  const ring = (from: number, to: number) => {
    const requests = Array.from({ length: to - from }, (_, n) =>
      webhook('assistant-request', numberOf(from + n)),
    )
    const amount = 3 * requests.length
    return bench.load.run({ kind: 'flood', url: server.url, requests, connections: 1, amount })
  }
  try {
    const used = async () => {
      // Not what is written down of the calls a moment later.
      await pause(2_000)
      return (await server.usage('usage after collection')).usedBytes
    }
    await ring(0, warmed)
    await ring(0, warmed)
    const before = await used()
    await ring(warmed, clients)
    const after = await used()
    const each = (after - before) / (clients - warmed)
    return {
      measure: 'memory of one cached client, template and all',
      ours: `${kb(each)} (of ${clients - warmed})`,
      against: '',
      theirs: '',
      result: kb(each),
      aim: '≤ 16 KB',
      met: each <= 16 * 1_024,
    }
  } finally {
    await server.stop()
  }
}

/** Of 20 messages as many as of a call with two tools: much of the rest VAPI sends is answered without doing anything. */
function mixture(clients: number) {
  return Array.from({ length: clients }, (_, n) => {
    const number = numberOf(n)
    const ring = webhook('assistant-request', number)
    const status = webhook('status-update', number, { status: 'in-progress' })
    const other = webhook('speech-update', number, { status: 'started', role: 'user' })
    return [
      ...Array.from({ length: 8 }, () => ring),
      ...Array.from({ length: 6 }, () => other),
      ...[status, status],
      toolCall('check_availability', {}, number),
      { ...mcpCall('contacts_get-contacts', {}, { 'x-phone-number': number }), path: '/mcp' },
      report(number),
      ring,
    ]
  }).flat()
}

async function manyRequests(bench: Bench): Promise<Row> {
  const clients = bench.quick ? 20 : 500
  const half = (bench.quick ? 1_000 : REQUESTS) / 2
  const crm = await startCrm(bench, clients)
  const upstream = await startPeer(bench, 'bench/servers/mcp-upstream.ts', { FIXED: '1' })
  const server = await startOurs(bench, { GHL_BASE_URL: crm.url, GHL_MCP_URL: `${upstream.url}/mcp/` })
  try {
    const requests = mixture(clients)
    const send = () =>
      bench.load.run({ kind: 'flood', url: server.url, requests, connections: CONNECTIONS, amount: half })
    const first = await send()
    const { rssBytes: middle } = await server.usage()
    const second = await send()
    const { rssBytes: end } = await server.usage()
    const failures = first.failures + second.failures
    return {
      measure: `resident set after ${(2 * half).toLocaleString('en-US')} mixed requests`,
      ours: `${mb(end)}, ${mb(middle)} after half of them; ${failures} failures`,
      against: '',
      theirs: '',
      result: mb(end),
      aim: '≤ 160 MB and flat',
      met: end <= 160 * 1_048_576 && end <= 1.1 * middle && failures === 0,
    }
  } finally {
    await Promise.all([server.stop(), upstream.stop(), crm.stop()])
  }
}
