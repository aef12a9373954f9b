import t from 'tap'
import { createRepetition } from '../../services/repetition.ts'
import { eventually } from '../helper.ts'

const EVERY_SECONDS = 0.005

t.test('it comes again and again, one run at a time, also after one that failed', async (t) => {
  const errors: unknown[] = []
  let runs = 0
  let under = 0
  let most = 0
  const repetition = createRepetition({
    everySeconds: EVERY_SECONDS,
    onError: (error) => void errors.push(error),
    async work() {
      runs += 1
      most = Math.max(most, ++under)
      await new Promise((resolve) => setTimeout(resolve, 10))
      under -= 1
      if (runs === 2) throw new Error('no')
    },
  })
  repetition.start()
  await eventually(() => runs >= 4, 'the fourth run')
  await repetition.stop()
  t.equal(most, 1)
  t.match(errors, [{ message: 'no' }])
  t.equal(errors.length, 1)
})

t.test('it is told to end, is waited for, and does not come again', async (t) => {
  let runs = 0
  let ended = false
  const repetition = createRepetition({
    everySeconds: EVERY_SECONDS,
    onError: () => {},
    async work(signal) {
      runs += 1
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      await new Promise((resolve) => setTimeout(resolve, 20))
      ended = true
    },
  })
  repetition.start()
  await eventually(() => runs === 1, 'the first run')
  await repetition.stop()
  t.ok(ended)
  repetition.start()
  await new Promise((resolve) => setTimeout(resolve, 5 * EVERY_SECONDS * 1_000))
  t.equal(runs, 1)
})
