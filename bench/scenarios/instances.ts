import path from 'node:path'
import type { Figures } from '../figures.ts'
import type { Extent } from '../load.ts'
import { numberOf, webhook } from '../messages.ts'
import { startLoad } from '../processes.ts'
import { inTurn, ratioOf, type Scenario, startOurs, typical } from '../scenario.ts'
import { micros, perSecond, times } from '../table.ts'

const rings = Array.from({ length: 100 }, (_, n) => webhook('assistant-request', numberOf(n)))

/** Two instances side by side. */
export const instances: Scenario = {
  name: 'instances',
  patienceSeconds: 120,
  async run(bench) {
    const loads = [bench.load, startLoad(path.join(bench.directory, 'second-load.log'))]
    try {
      const seen = await inTurn(bench, async () => {
        const servers = await Promise.all(loads.map(() => startOurs(bench)))
        const slice = (count: number) => async (extent: Extent) => {
          const parts = await Promise.all(
            servers
              .slice(0, count)
              .map((server, n) =>
                (loads[n] ?? bench.load).run(
                  { kind: 'flood', url: server.url, requests: rings, connections: 8, ...extent },
                  [server],
                ),
              ),
          )
          return sumOf(parts)
        }
        return {
          two: {
            slice: slice(2),
            stop: async () => void (await Promise.all(servers.map((each) => each.stop()))),
          },
          one: { slice: slice(1) },
        }
      })
      const rate = ratioOf(seen.two, seen.one, 'rate')
      const cpu = 2 / ratioOf(seen.two, seen.one, 'cpu')
      const figures = (name: keyof typeof seen) =>
        `${perSecond(typical(seen[name], 'rate'))}, CPU ${micros(typical(seen[name], 'cpu'))}`
      return [
        {
          measure: 'two instances on two cores',
          ours: figures('two'),
          against: 'one instance',
          theirs: figures('one'),
          result: `${times(cpu)} by CPU (${times(rate)} with the load on the same cores)`,
          aim: `≥ ${times(1.7)}`,
          met: cpu >= 1.7,
        },
      ]
    } finally {
      await loads[1]?.stop()
    }
  },
}

function sumOf(parts: readonly Figures[]): Figures {
  const sum = (field: 'rate' | 'failures' | 'answers') =>
    parts.reduce((total, each) => total + each[field], 0)
  const worst = (field: 'p50' | 'p99') => Math.max(...parts.map((each) => each[field]))
  const cpu = parts.reduce((total, each) => total + (each.cpu ?? 0), 0) / parts.length
  return {
    rate: sum('rate'),
    failures: sum('failures'),
    answers: sum('answers'),
    p50: worst('p50'),
    p99: worst('p99'),
    cpu,
  }
}
