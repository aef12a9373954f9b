import fc from 'fast-check'
import t from 'tap'
import { DISPENSABLE, isShed, type Level, nextLevel, type Reading } from '../../services/pressure.ts'

const calm: Reading = { delayMs: 2, utilization: 0.4, memory: 0.5 }
/** The levels that each reading leads to when it lasts for a second one. */
const run = (readings: Partial<Reading>[], level: Level = 0) =>
  readings.map((change) => {
    const reading = { ...calm, ...change }
    level = nextLevel(level, reading, reading)
    return level
  })

t.test('it rises by whatever presses, if that lasts', async (t) => {
  const late = { ...calm, delayMs: 600 }
  t.equal(nextLevel(0, late, calm), 0, 'once is no overload')
  t.equal(nextLevel(0, late, { ...calm, delayMs: 120 }), 1, 'what both agree on')
  t.strictSame(run([{}, { delayMs: 120 }, { delayMs: 300 }, { delayMs: 900 }]), [0, 1, 2, 3])
  t.strictSame(run([{ delayMs: Number.POSITIVE_INFINITY }]), [3], 'no sample at all: it did not get to it')
  t.strictSame(run([{ memory: 0.9 }, { memory: 0.93 }, { memory: 0.97 }]), [1, 2, 3])
  t.strictSame(run([{ utilization: 1 }, { utilization: 1 }]), [1, 1], 'busy alone costs the lists only')
})

t.test('it falls only with some way to the threshold, so that it does not flap', async (t) => {
  t.strictSame(run([{ delayMs: 110 }, { delayMs: 90 }, { delayMs: 60 }, { delayMs: 40 }]), [1, 1, 1, 0])
  t.strictSame(
    run([{ delayMs: 600 }, { delayMs: 260 }, { delayMs: 130 }, { delayMs: 60 }, {}]),
    [3, 3, 2, 1, 0],
  )
  t.strictSame(run([{ memory: 0.89 }, { memory: 0.84 }, { memory: 0.8 }]), [1, 1, 0])
})

t.test('what is left undone, in order; a caller is not in it', async (t) => {
  t.strictSame(DISPENSABLE, ['listing', 'rest', 'lifecycle'])
  const shedAt = ([0, 1, 2, 3] as const).map((level) => DISPENSABLE.filter((what) => isShed(what, level)))
  t.strictSame(shedAt, [[], ['listing'], ['listing', 'rest'], ['listing', 'rest', 'lifecycle']])
})

t.test('whatever is measured', async (t) => {
  const readings = fc.record({
    delayMs: fc.double({ min: 0, max: 2_000, noNaN: true }),
    utilization: fc.double({ min: 0, max: 1, noNaN: true }),
    memory: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  const levels = fc.constantFrom<Level>(0, 1, 2, 3)
  fc.assert(
    fc.property(levels, readings, readings, (level, reading, before) => {
      const next = nextLevel(level, reading, before)
      t.ok(next >= nextLevel(0, reading, before), 'never below what the readings alone ask for')
      t.equal(nextLevel(next, reading, before), next, 'readings that last change nothing more')
      if (level < 3)
        t.ok(nextLevel((level + 1) as Level, reading, before) >= next, 'more before, no less after')
    }),
  )
})
