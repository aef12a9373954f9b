import fc from 'fast-check'
import t from 'tap'
import { createLookup } from '../../services/cache.ts'
import { eventually } from '../helper.ts'
import { createTable, lookup, type Value } from './lookups.ts'

t.test('any number of simultaneous misses cost one question', async (t) => {
  const { source, cache } = lookup()
  const readers = Array.from({ length: 1_000 }, () => cache.get('a'))
  t.equal(source.questions.length, 1)
  source.last('a').answer({ name: 'A' })
  const found = await Promise.all(readers)
  t.strictSame(new Set(found.map(({ value }) => value?.name)), new Set(['A']))
  t.strictSame(await cache.get('a'), { value: { name: 'A' }, source: 'cache' })
  t.equal(source.questions.length, 1)
})

t.test('a value is current for its time, less up to a tenth', async (t) => {
  const table = createTable({ a: { name: 'A' } })
  const { cache } = lookup({ load: table.load, ttlMs: 200 })
  await cache.get('a')
  const begun = performance.now()
  await eventually(async () => (await cache.get('a')).source === 'load', 'the value to run out', 5)
  const ms = performance.now() - begun
  t.ok(ms > 170 && ms < 400, `${Math.round(ms)} ms`)
})

t.test('values that came together do not run out together', async (t) => {
  const rows = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`k${n}`, { name: String(n) }]))
  const { cache } = lookup({ load: createTable(rows).load, max: 500, ttlMs: 500 })
  const keys = Object.keys(rows)
  await Promise.all(keys.map((key) => cache.get(key)))
  // Between nine tenths of its time and all of it, some are current and some are not.
  const again = await eventually(
    async () => {
      const found = await Promise.all(keys.map((key) => cache.get(key)))
      return found.filter(({ source }) => source === 'load').length
    },
    'some to run out',
    5,
  )
  t.ok(again < keys.length, `${again} of ${keys.length} ran out at once`)
})

t.test('no more values are kept than allowed; the least used goes first', async (t) => {
  const table = createTable({ a: { name: 'A' }, b: { name: 'B' }, c: { name: 'C' } })
  const { cache } = lookup({ load: table.load, max: 2 })
  await cache.get('a')
  await cache.get('b')
  await cache.get('a')
  await cache.get('c')
  t.equal(cache.size.current, 2)
  t.equal((await cache.get('a')).source, 'cache')
  t.equal((await cache.get('b')).source, 'load')
})

t.test('an unknown key is remembered for its time, and no longer', async (t) => {
  const table = createTable()
  const { cache } = lookup({ load: table.load, unknownTtlMs: 150 })
  t.strictSame(await cache.get('a'), { value: undefined, source: 'load' })
  t.strictSame(await cache.get('a'), { value: undefined, source: 'cache' })
  t.equal(table.asked, 1)
  table.rows.a = { name: 'A' }
  await eventually(async () => (await cache.get('a')).value, 'it to be asked again', 5)
  t.equal(table.asked, 2)
})

t.test('a flood of 50,000 unknown keys evicts nobody, and is bounded', async (t) => {
  const rows = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`known${n}`, { name: String(n) }]))
  const table = createTable(rows)
  const { cache } = lookup({ load: table.load, max: 100 })
  for (const key of Object.keys(rows)) await cache.get(key)
  for (let n = 0; n < 50_000; n++) await cache.get(`unknown${n}`)
  table.asked = 0
  for (const key of Object.keys(rows)) t.equal((await cache.get(key)).source, 'cache')
  t.equal(table.asked, 0)
  t.ok(cache.size.unknown <= 10_000)
})

t.test('a load that began before a change does not put the old value back', async (t) => {
  for (const change of ['outdate', 'forget', 'clear'] as const) {
    const { source, cache } = lookup()
    const before = cache.get('a')
    if (change === 'clear') cache.clear()
    else cache[change]('a')
    const after = cache.get('a')
    t.equal(source.questions.length, 2, 'whoever comes after the change asks again')
    const [old, fresh] = source.questions
    fresh?.answer({ name: 'new' })
    t.match(await after, { value: { name: 'new' } })
    old?.answer({ name: 'old' })
    t.match(await before, { value: { name: 'old' } }, 'whoever asked before it may hear what was true then')
    t.strictSame(await cache.get('a'), { value: { name: 'new' }, source: 'cache' }, change)
  }
})

t.test('nor does an old "unknown" hide what has been made since', async (t) => {
  const { source, cache } = lookup()
  const before = cache.get('a')
  cache.outdate('a')
  source.last('a').answer(undefined)
  t.equal((await before).value, undefined)
  const after = cache.get('a')
  source.last('a').answer({ name: 'A' })
  t.match(await after, { value: { name: 'A' }, source: 'load' })
})

t.test('in any interleaving, what is kept is what the source said after the last change', async () => {
  const action = fc.constantFrom('read', 'change', 'answer first', 'answer last')
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
      let truth = 0
      // A question is answered with what was true when it was asked: the source is a snapshot.
      const open: (() => void)[] = []
      const load = () => {
        const seen = truth
        return new Promise<Value>((resolve) => open.push(() => resolve({ name: String(seen) })))
      }
      const cache = createLookup<Value>({ load, max: 10, ttlMs: 60_000, patienceMs: 5_000 })
      const readers: Promise<unknown>[] = []
      for (const step of actions) {
        if (step === 'read') readers.push(cache.get('a'))
        if (step === 'change') {
          truth += 1
          cache.outdate('a')
        }
        if (step === 'answer first') open.shift()?.()
        if (step === 'answer last') open.pop()?.()
        await new Promise(setImmediate)
      }
      const last = cache.get('a')
      while (open.length) open.shift()?.()
      const { value } = await last
      if (value?.name !== String(truth)) throw new Error(`${value?.name} instead of ${truth}`)
      await Promise.all(readers)
    }),
    { numRuns: 200 },
  )
})

t.test('an old answer that comes late does not take the place of a newer one', async (t) => {
  const { source, cache } = lookup({ patienceMs: 20 })
  const old = cache.get('a')
  const late = source.last('a')
  cache.outdate('a')
  const fresh = cache.get('a')
  source.last('a').answer({ name: 'new' })
  await fresh
  late.answer({ name: 'old' })
  await old
  cache.clear()
  t.match(await cache.get('a'), { value: { name: 'new' }, source: 'last-known' })
})
