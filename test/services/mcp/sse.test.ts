import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { createMessageReader } from '../../../services/mcp/sse.ts'

/** What is read from a stream that comes in these pieces. */
function read(chunks: Iterable<Uint8Array>, end = true): unknown[] {
  const messages: unknown[] = []
  const reader = createMessageReader((message) => void messages.push(message))
  for (const chunk of chunks) reader.feed(chunk)
  if (end) reader.end()
  return messages
}

const bytesOf = (text: string) => [...Buffer.from(text)].map((byte) => Uint8Array.of(byte))

t.test('any message, in any form, cut anywhere', async (t) => {
  const endings = fc.constantFrom('\n', '\r\n', '\r')
  const event = fc.record({
    message: fc.dictionary(
      fc.string({ unit: 'grapheme' }),
      fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer()),
    ),
    indent: fc.constantFrom(0, 1),
    comment: fc.boolean(),
    blank: fc.boolean(),
    space: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 5 }),
      endings,
      fc.array(fc.nat(40)),
      fc.boolean(),
      (events, nl, cuts, bom) => {
        const text = events
          .map(({ message, indent, comment, blank, space }) =>
            [
              ...(comment ? [': a comment', 'retry: 10', 'unknown: field'] : []),
              'event: message',
              ...JSON.stringify(message, null, indent)
                .split('\n')
                .map((line) => `data:${space ? ' ' : ''}${line}`),
              ...(blank ? ['', '', ''] : ['', '']),
            ].join(nl),
          )
          .join('')
        const whole = Buffer.from((bom ? '\uFEFF' : '') + text)
        const chunks: Uint8Array[] = []
        let at = 0
        for (const cut of cuts) {
          chunks.push(whole.subarray(at, at + cut))
          at += cut
        }
        chunks.push(whole.subarray(at))
        const messages = events.map(({ message }) => JSON.parse(JSON.stringify(message)))
        assert.deepEqual(read(chunks), messages)
        assert.deepEqual(read([...whole].map((byte) => Uint8Array.of(byte))), messages)
      },
    ),
    { numRuns: 300 },
  )
  t.pass('300 streams')
})

t.test('a message is handed on when its blank line has come, not later', async (t) => {
  for (const nl of ['\n', '\r'])
    t.strictSame(read(bytesOf(`data: {"a":1}${nl}${nl}`), false), [{ a: 1 }], JSON.stringify(nl))
  t.strictSame(read(bytesOf('data: {"a":1}\r\n\r'), false), [{ a: 1 }])
  t.strictSame(read(bytesOf('data: {"a":\r\n'), false), [])
})

t.test('what is no message is passed over', async (t) => {
  t.strictSame(read(bytesOf(':\n\ndata\n\ndata: not JSON\n\nevent: ping\n\n{"a":1}\n\ndata: 7\n\n')), [7])
  t.strictSame(read([]), [])
})

t.test('a last event without its blank line counts', async (t) => {
  t.strictSame(read(bytesOf('data: {"a":1}')), [{ a: 1 }])
  t.strictSame(read(bytesOf('data: {"a":1')), [], 'half of one does not')
})
