import { EventEmitter } from 'node:events'
import t from 'tap'
import { createBuffers } from '../../../services/assistant/buffers.ts'

t.test('memory is used again when its answer is sent, and not before', async (t) => {
  const { lend } = createBuffers()
  const first = new EventEmitter()
  const lent = lend(8_000, first)
  const second = new EventEmitter()
  t.not(lend(8_000, second), lent, 'it is not sent yet')
  first.emit('finish')
  t.equal(lend(9_000, new EventEmitter()), lent)
  first.emit('finish')
  t.not(lend(9_000, new EventEmitter()), lent, 'it is given back once')
  second.emit('close')
  t.not(lend(1, new EventEmitter()), lent, 'whose reader has left is not used again')
})

t.test('what is too large has memory of its own, and only so much is kept', async (t) => {
  const { lend } = createBuffers()
  const sender = new EventEmitter()
  t.equal(lend(20_000, sender).length, 20_000)
  t.equal(sender.listenerCount('finish'), 0)
  const senders = Array.from({ length: 100 }, () => new EventEmitter())
  const once = new Set(senders.map((each) => lend(100, each)))
  t.equal(once.size, 100)
  for (const each of senders) each.emit('finish')
  const again = Array.from({ length: 100 }, () => lend(100, new EventEmitter()))
  t.equal(again.filter((buffer) => once.has(buffer)).length, 64)
})
