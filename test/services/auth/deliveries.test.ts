import t from 'tap'
import { createDeliveries } from '../../../services/auth/deliveries.ts'
import { createDeliveryRepository } from '../../../services/auth/deliveries-repository.ts'
import { build } from '../../helper.ts'

t.test('ids are kept as long as a signature can be good, and no longer', async (t) => {
  const { app } = await build(t)
  const repository = createDeliveryRepository({ sql: app.sql })
  await app.sql`
    insert into webhook_deliveries (id, taken_at)
    values ('old', now() - interval '16 minutes'), ('good', now() - interval '14 minutes')`
  await repository.take('new')
  await repository.take('new')
  await repository.purge()
  t.strictSame(await Promise.all(['old', 'good', 'new'].map((id) => repository.isTaken(id))), [
    false,
    true,
    true,
  ])
})

t.test('a database that says nothing is not waited for, and this instance knows what it took', async (t) => {
  const warnings: string[] = []
  const never = () => new Promise<never>(() => {})
  const deliveries = createDeliveries({
    repository: { isTaken: never, take: never, purge: never },
    log: { warn: (_facts, message) => void warnings.push(message) },
    patienceMs: 5,
  })
  t.equal(await deliveries.isTaken('one'), false)
  await deliveries.taken('one')
  t.equal(await deliveries.isTaken('one'), true)
  t.equal(await deliveries.isTaken('two'), false)
  t.equal(warnings.length, 3)
})
