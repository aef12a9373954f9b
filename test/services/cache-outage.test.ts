import t from 'tap'
import { SourceUnavailable } from '../../services/cache.ts'
import { eventually } from '../helper.ts'
import { createTable, lookup } from './lookups.ts'

t.test('a failed question is asked again by the next reader, and leaves nothing under way', async (t) => {
  const { source, cache } = lookup()
  const first = cache.get('a')
  source.last('a').fail()
  await t.rejects(first, SourceUnavailable)
  const second = cache.get('a')
  source.last('a').answer({ name: 'A' })
  t.match(await second, { value: { name: 'A' }, source: 'load' })
  t.equal(cache.size.flights, 0)
})

t.test('the last known value stands in only while the source is down', async (t) => {
  const table = createTable({ a: { name: 'A' } })
  const { cache } = lookup({ load: table.load })
  await cache.get('a')
  table.down = true
  cache.clear()
  t.strictSame(await cache.get('a'), { value: { name: 'A' }, source: 'last-known' })
  table.down = false
  table.rows.a = { name: 'A2' }
  t.strictSame(await cache.get('a'), { value: { name: 'A2' }, source: 'load' })
})

t.test('a key never seen is not "unknown" while the source is down', async (t) => {
  const table = createTable()
  table.down = true
  const { cache } = lookup({ load: table.load })
  await t.rejects(cache.get('a'), SourceUnavailable)
  table.down = false
  table.rows.a = { name: 'A' }
  t.match(await cache.get('a'), { value: { name: 'A' } })
})

t.test('what was forgotten, or found to be gone, is never a last resort', async (t) => {
  const table = createTable({ a: { name: 'A' }, b: { name: 'B' } })
  const { cache } = lookup({ load: table.load })
  await Promise.all([cache.get('a'), cache.get('b')])
  cache.forget('a')
  delete table.rows.b
  cache.outdate('b')
  t.equal((await cache.get('b')).value, undefined)
  table.down = true
  cache.clear()
  await t.rejects(cache.get('a'), SourceUnavailable)
  await t.rejects(cache.get('b'), SourceUnavailable)
})

t.test('an answer that was under way when anything may have changed is no last resort', async (t) => {
  const { source, cache } = lookup()
  const before = cache.get('a')
  cache.clear()
  source.last('a').answer({ name: 'perhaps no longer' })
  await before
  const after = cache.get('a')
  source.last('a').fail()
  await t.rejects(after, SourceUnavailable)
})

t.test('a reader waits for a silent source only so long', async (t) => {
  const { source, cache } = lookup({ patienceMs: 60 })
  const first = cache.get('a')
  source.last('a').answer({ name: 'A' })
  await first
  cache.clear()
  const begun = performance.now()
  t.match(await cache.get('a'), { value: { name: 'A' }, source: 'last-known' })
  await t.rejects(cache.get('b'), SourceUnavailable)
  t.ok(performance.now() - begun < 400)
  source.last('a').answer({ name: 'A2' })
  await eventually(async () => (await cache.get('a')).source === 'cache', 'the late answer to be kept', 5)
})

t.test('what was read while it changed is a last resort, unless it was forgotten', async (t) => {
  const { source, cache } = lookup({ patienceMs: 20 })
  const first = cache.get('a')
  const second = cache.get('b')
  cache.outdate('a')
  cache.outdate('b')
  cache.forget('b')
  source.last('a').answer({ name: 'A' })
  source.last('b').answer({ name: 'B' })
  t.match(await first, { value: { name: 'A' }, source: 'load' })
  t.match(await second, { value: { name: 'B' } }, 'whoever asked before the change is answered')
  t.match(await cache.get('a'), { value: { name: 'A' }, source: 'last-known' })
  await t.rejects(cache.get('b'), SourceUnavailable)
})
