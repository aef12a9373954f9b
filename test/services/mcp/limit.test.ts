import assert from 'node:assert/strict'
import type { CallToolResult } from '@modelcontextprotocol/server'
import fc from 'fast-check'
import t from 'tap'
import { limitResult } from '../../../services/mcp/limit.ts'

const text = (said: string) => ({ type: 'text' as const, text: said })
const bytes = ({ content, structuredContent }: CallToolResult) =>
  content.reduce(
    (sum, block) => sum + Buffer.byteLength(block.type === 'text' ? block.text : JSON.stringify(block)),
    0,
  ) + (structuredContent ? Buffer.byteLength(JSON.stringify(structuredContent)) : 0)

t.test('what fits stays as it is', async (t) => {
  const result = { content: [text('short')], structuredContent: { a: 1 }, isError: false }
  t.equal(limitResult(result, 1_024), result)
})

t.test('what does not is cut to size, and says so', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary', maxLength: 3_000 }), { minLength: 1, maxLength: 6 }),
      (texts) => {
        const result: CallToolResult = {
          content: texts.map(text),
          structuredContent: { texts },
          isError: true,
        }
        const cut = limitResult(result, 2_048)
        assert.ok(bytes(cut) <= 2_048)
        assert.equal(cut.isError, true)
        if (cut === result) return
        const kept = cut.content.map((block) => (block.type === 'text' ? block.text : ''))
        assert.match(kept.at(-1) ?? '', /^\[Cut: the result has \d+ KiB/)
        assert.equal(cut.structuredContent, undefined)
        // What is kept begins as it did, and no letter is halved.
        for (const [index, said] of kept.slice(0, -1).entries())
          assert.ok(texts.slice(index).some((whole) => whole.toWellFormed().startsWith(said.toWellFormed())))
      },
    ),
    { numRuns: 200 },
  )
  t.pass('200 results')
})

t.test('a picture that is too large goes as a whole', async (t) => {
  const image = { type: 'image' as const, data: 'A'.repeat(4_000), mimeType: 'image/png' }
  const { content } = limitResult({ content: [text('before'), image, text('after')] }, 2_048)
  t.match(content, [{ text: 'before' }, { text: /^\[Cut/ }])
  t.equal(content.length, 2)
})
