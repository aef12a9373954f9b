import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { request } from 'undici'
import { numberOf, webhook } from '../messages.ts'
import type { Server } from '../processes.ts'
import {
  type Bench,
  flooded,
  inTurn,
  ratioOf,
  type Scenario,
  startOurs,
  startPeer,
  typical,
} from '../scenario.ts'
import { micros, ms, perSecond, type Row, times } from '../table.ts'

const CLIENTS = 100
const CONNECTIONS = 16

const rings = Array.from({ length: CLIENTS }, (_, n) => webhook('assistant-request', numberOf(n)))

const first = webhook('assistant-request', numberOf(0), {}, 'call-of-the-benchmark')

async function answerOf({ url }: Server): Promise<Buffer> {
  const { path: where, ...ring } = first
  const answer = await request(`${url}${where}`, ring)
  if (answer.statusCode !== 200) throw new Error(`${url} answers ${answer.statusCode}`)
  return Buffer.from(await answer.body.bytes())
}

/** An answer of this server's, in a file: what floors send. */
export async function keepAnswer({ directory }: Pick<Bench, 'directory'>, ours: Server) {
  const answer = await answerOf(ours)
  const file = path.join(directory, 'answer.json')
  writeFileSync(file, answer)
  return { file, answer }
}

/** Floors send the same bytes. Peers say the date in their own words, and so send about as many. */
async function verify(expected: Buffer, floors: readonly Server[], peers: readonly Server[]) {
  for (const floor of floors)
    if (!(await answerOf(floor)).equals(expected)) throw new Error('a floor sends other bytes')
  for (const peer of peers) {
    const share = (await answerOf(peer)).length / expected.length
    if (share < 0.95 || share > 1.05) throw new Error(`a peer sends ${times(share)} the bytes`)
  }
}

/** The phone rings for a client that is in memory. */
export const warm: Scenario = {
  name: 'warm',
  patienceSeconds: 300,
  async run(bench) {
    const seen = await inTurn(bench, async () => {
      const ours = await startOurs(bench)
      const { file: ANSWER_FILE, answer: expected } = await keepAnswer(bench, ours)
      const env = { ANSWER_FILE, DATABASE_URL: bench.database.url }
      const http = await startPeer(bench, 'bench/servers/floor-http.ts', env)
      const fastify = await startPeer(bench, 'bench/servers/floor-fastify.ts', env)
      const express = await startPeer(bench, 'bench/servers/express.ts', env)
      const tuned = await startPeer(bench, 'bench/servers/express.ts', { ...env, TUNED: '1' })
      await verify(expected, [http, fastify], [express, tuned])
      const contestant = (server: Server) =>
        flooded(bench, server, { requests: rings, connections: CONNECTIONS })
      return {
        ours: contestant(ours),
        http: contestant(http),
        fastify: contestant(fastify),
        express: contestant(express),
        tuned: contestant(tuned),
      }
    })
    const figures = (name: keyof typeof seen) => {
      const of = (field: 'rate' | 'p50' | 'p99' | 'cpu') => typical(seen[name], field)
      return `${perSecond(of('rate'))}, p50 ${ms(of('p50'))}, p99 ${ms(of('p99'))}, CPU ${micros(of('cpu'))}`
    }
    const against = (name: 'http' | 'fastify' | 'express' | 'tuned', label: string, least?: number): Row => {
      const rate = ratioOf(seen.ours, seen[name], 'rate')
      const cpu = 1 / ratioOf(seen.ours, seen[name], 'cpu')
      return {
        measure: 'assistant-request, known client',
        ours: figures('ours'),
        against: label,
        theirs: figures(name),
        result: `${times(rate)} (CPU ${times(cpu)})`,
        aim: least ? `≥ ${times(least)}` : '',
        ...(least && { met: rate >= least }),
      }
    }
    return [
      against('fastify', 'bare Fastify route', 0.9),
      against('http', 'bare node:http'),
      against('express', 'Express', 2.7),
      against('tuned', 'Express, tuned', 1.3),
    ]
  },
}
