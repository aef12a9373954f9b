import { startCountingProxy } from '../counting-proxy.ts'
import { numberOf, webhook } from '../messages.ts'
import { type Scenario, startOurs } from '../scenario.ts'

const CALLERS = 1_000
/** So that all of them ask while the answer is still out; less than a reader waits for the database. */
const HOLD_MS = 400

/** Everybody calls one number at once, and it is not in memory. */
export const together: Scenario = {
  name: 'together',
  patienceSeconds: 60,
  async run(bench) {
    const number = numberOf(7)
    const proxy = await startCountingProxy(bench.database.url, number, HOLD_MS)
    const server = await startOurs(bench, { DATABASE_URL: proxy.url })
    const callers = bench.quick ? 100 : CALLERS
    try {
      const figures = await bench.load.run({
        kind: 'flood',
        url: server.url,
        requests: [webhook('assistant-request', number)],
        connections: callers,
        amount: callers,
      })
      const queries = proxy.count()
      return [
        {
          measure: `${callers.toLocaleString('en-US')} simultaneous requests for one cold number`,
          ours: `${figures.answers.toLocaleString('en-US')} answers, ${figures.failures} failures`,
          against: '',
          theirs: '',
          result: `${queries} ${queries === 1 ? 'query' : 'queries'}`,
          aim: '1 query',
          met: queries === 1 && figures.answers === callers,
        },
      ]
    } finally {
      await server.stop()
      proxy.close()
    }
  },
}
