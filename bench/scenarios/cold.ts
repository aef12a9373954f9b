import type { Extent } from '../load.ts'
import { KNOWN, numberOf, webhook } from '../messages.ts'
import { inTurn, ratioOf, type Scenario, startOurs, typical } from '../scenario.ts'
import { ms, times } from '../table.ts'

/** The phone rings for a client that is not in memory, among all the clients of the table. */
export const cold: Scenario = {
  name: 'cold',
  patienceSeconds: 120,
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
      const ring = (number: string) => [[webhook('assistant-request', number)]]
      const exchange = { kind: 'exchanges', url: ours.url } as const
      return {
        ours: {
          slice: (extent: Extent) =>
            bench.load.run({ ...exchange, exchanges: ring('[<number>]'), cold: next(), ...extent }),
          stop: ours.stop,
        },
        select: {
          slice: (extent: Extent) => bench.load.run({ kind: 'select', database, cold: next(), ...extent }),
        },
        known: {
          slice: (extent: Extent) => bench.load.run({ ...exchange, exchanges: ring(numberOf(0)), ...extent }),
        },
      }
    })
    const ratio = ratioOf(seen.ours, seen.select, 'p50')
    const p50 = (name: keyof typeof seen) => ms(typical(seen[name], 'p50'))
    return [
      {
        measure: `first request for a cold number, ${clients.toLocaleString('en-US')} clients`,
        ours: `p50 ${p50('ours')}, p99 ${ms(typical(seen.ours, 'p99'))} (the same request when known: ${p50('known')})`,
        against: 'the bare select through `postgres`',
        theirs: `p50 ${p50('select')}, p99 ${ms(typical(seen.select, 'p99'))}`,
        result: times(ratio),
        aim: `≤ ${times(1.3)}`,
        met: ratio <= 1.3,
      },
    ]
  },
}
