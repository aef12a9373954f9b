import { request } from 'undici'
import { requestsDuring, startCrm } from '../crm.ts'
import type { Extent, HttpRequest } from '../load.ts'
import { numberOf, toolCall } from '../messages.ts'
import { failuresOf, inTurn, type Scenario, startOurs, typical } from '../scenario.ts'
import { ms } from '../table.ts'

/** So many that none of them meets the CRM's limit of requests for a location. */
const LOCATIONS = 100

/** The assistant uses a tool. */
export const toolCalls: Scenario = {
  name: 'tool-call',
  patienceSeconds: 120,
  async run(bench) {
    const locations = bench.quick ? 10 : LOCATIONS
    let requests = 0
    const seen = await inTurn(bench, async () => {
      const crm = await startCrm(bench, locations)
      const ours = await startOurs(bench, { GHL_BASE_URL: crm.url })
      const asks = Array.from({ length: locations }, (_, n) =>
        toolCall('check_availability', {}, numberOf(n)),
      )
      // Once to have everything in memory, and once more to see what is asked of the CRM then.
      const direct: HttpRequest[][] = []
      for (const ask of asks) {
        await useTool(ours.url, ask)
        direct.push(await requestsDuring(crm, () => useTool(ours.url, ask)))
      }
      requests = direct[0]?.length ?? 0
      return {
        ours: {
          slice: (extent: Extent) =>
            bench.load.run({
              kind: 'exchanges',
              url: ours.url,
              exchanges: asks.map((ask) => [ask]),
              ...extent,
            }),
          stop: ours.stop,
        },
        direct: {
          slice: (extent: Extent) =>
            bench.load.run({ kind: 'exchanges', url: crm.url, exchanges: direct, ...extent }),
          stop: crm.stop,
        },
      }
    })
    const more = typical(seen.ours, 'p50') - typical(seen.direct, 'p50')
    const failures = failuresOf(seen.ours) + failuresOf(seen.direct)
    return [
      {
        measure: 'a tool call through the VAPI door (check_availability)',
        ours: `p50 ${ms(typical(seen.ours, 'p50'))}, p99 ${ms(typical(seen.ours, 'p99'))}, ${failures} failures`,
        against: `its ${requests} CRM ${requests === 1 ? 'request' : 'requests'} made directly with undici`,
        theirs: `p50 ${ms(typical(seen.direct, 'p50'))}, p99 ${ms(typical(seen.direct, 'p99'))}`,
        result: `+ ${ms(more)}`,
        aim: '≤ + 2 ms',
        met: more <= 2 && failures === 0,
      },
    ]
  },
}

let uses = 0

async function useTool(url: string, { path, body, ...ask }: ReturnType<typeof toolCall>) {
  const filled = body.replaceAll('[<id>]', `before-${uses++}`)
  const answer = await request(`${url}${path}`, { ...ask, body: filled })
  const { results } = (await answer.body.json()) as { results: { result?: string; error?: string }[] }
  if (!results[0]?.result) throw new Error(`the tool failed: ${JSON.stringify(results)}`)
}
