import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { createLru } from '../../services/lru.ts'

t.test('so many are kept, those that were used last, and for no longer than they may be', async (t) => {
  const kept = createLru<object>(3, { ttl: 50 })
  for (const key of ['a', 'b', 'c']) kept.set(key, {})
  kept.get('a')
  kept.set('d', {})
  t.same([...kept.keys()].sort(), ['a', 'c', 'd'])
  for (let n = 0; n < 1_000; n += 1) kept.set(String(n), {})
  t.equal(kept.size, 3)
  await pause(80)
  t.equal(kept.get('999'), undefined)
})
