import type { Extent } from '../load.ts'
import { KNOWN, numberOf, webhook } from '../messages.ts'
import { inTurn, ratioOf, type Scenario, startOurs, startPeer, typical } from '../scenario.ts'
import { ms, type Row, times } from '../table.ts'
import { keepAnswer } from './warm.ts'

/** The phone rings for a client that is not in memory, among all the clients of the table. */
export const cold: Scenario = {
  name: 'cold',
  patienceSeconds: 240,
  async run(bench) {
    const { url: database, clients } = bench.database
    // Each number is asked for once.
    let first = KNOWN
    const next = () => {
      const from = first
      first += 20_000
      return { first: from, clients }
    }
    const seen = await inTurn(bench, async () => {
      const ours = await startOurs(bench)
      const floor = await startPeer(bench, 'bench/servers/floor-database.ts', {
        DATABASE_URL: database,
        ANSWER_FILE: (await keepAnswer(bench, ours)).file,
      })
      const ring = (number: string) => [[webhook('assistant-request', number)]]
      const coldRings = (url: string) => (extent: Extent) =>
        bench.load.run({ kind: 'exchanges', url, exchanges: ring('[<number>]'), cold: next(), ...extent })
      return {
        ours: { slice: coldRings(ours.url), stop: ours.stop },
        floor: { slice: coldRings(floor.url), stop: floor.stop },
        select: {
          slice: (extent: Extent) => bench.load.run({ kind: 'select', database, cold: next(), ...extent }),
        },
        resolve: {
          slice: (extent: Extent) => bench.load.run({ kind: 'resolve', database, cold: next(), ...extent }),
        },
        known: {
          slice: (extent: Extent) =>
            bench.load.run({ kind: 'exchanges', url: ours.url, exchanges: ring(numberOf(0)), ...extent }),
        },
      }
    })
    const p50 = (name: keyof typeof seen) => ms(typical(seen[name], 'p50'))
    const p99 = (name: keyof typeof seen) => ms(typical(seen[name], 'p99'))
    const against = (name: 'floor' | 'select', label: string, most?: number): Row => {
      const ratio = ratioOf(seen.ours, seen[name], 'p50')
      return {
        measure: `first request for a cold number, ${clients.toLocaleString('en-US')} clients`,
        ours: `p50 ${p50('ours')}, p99 ${p99('ours')} (the same request when known: ${p50('known')})`,
        against: label,
        theirs: `p50 ${p50(name)}, p99 ${p99(name)}`,
        result: times(ratio),
        aim: most ? `≤ ${times(most)}` : '',
        ...(most && { met: ratio <= most }),
      }
    }
    const lookup = ratioOf(seen.resolve, seen.select, 'p50')
    return [
      against('floor', 'bare Fastify route, the bare select through `postgres`', 1.3),
      against('select', 'the select alone, with no HTTP at all'),
      {
        measure: 'of it, looking the number up: from the table to a client ready for use',
        ours: `p50 ${p50('resolve')}, p99 ${p99('resolve')}`,
        against: 'the select alone, with no HTTP at all',
        theirs: `p50 ${p50('select')}, p99 ${p99('select')}`,
        result: times(lookup),
        aim: `≤ ${times(1.3)}`,
        met: lookup <= 1.3,
      },
    ]
  },
}
