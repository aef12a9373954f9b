import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { median } from '../figures.ts'
import { numberOf, webhook } from '../messages.ts'
import { type Scenario, startOurs } from '../scenario.ts'
import { ms } from '../table.ts'

/** A new instance on a database that is up to date. */
export const start: Scenario = {
  name: 'start',
  patienceSeconds: 60,
  async run(bench) {
    const { path, ...ring } = webhook('assistant-request', numberOf(0), {}, 'call-of-the-benchmark')
    const taken: number[] = []
    // The first of a run builds and compiles the server, as an image brings it along.
    await (await startOurs(bench)).stop()
    for (let n = 0; n < (bench.quick ? 1 : 5); n += 1) {
      const begun = performance.now()
      const server = await startOurs(bench)
      const answer = await request(`${server.url}${path}`, ring)
      await answer.body.dump()
      taken.push(performance.now() - begun)
      await server.stop()
      await pause(bench.quick ? 0 : 200)
    }
    const typical = median(taken)
    return [
      {
        measure: 'start on a migrated database, until the first assistant-request is answered',
        ours: `${ms(typical)} (${taken.length} starts, at most ${ms(Math.max(...taken))})`,
        against: '',
        theirs: '',
        result: ms(typical),
        aim: '< 1.5 s',
        met: typical < 1_500,
      },
    ]
  },
}
