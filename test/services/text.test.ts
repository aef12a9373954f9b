import fc from 'fast-check'
import t from 'tap'
import { cleanJson, cleanText, cutText, singleLine } from '../../services/text.ts'

/** Text as speech recognisers and strangers write it: NUL, halves of surrogate pairs, anything. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('\0', '\ud83d', '\ude00', 'a') }),
)

t.test('text without what PostgreSQL refuses', async (t) => {
  t.equal(cleanText('plain'), 'plain')
  t.equal(cleanText('a\0b\0'), 'ab')
  t.equal(cleanText('a\ud83db'), 'a\ufffdb')
  t.equal(cleanText('\ude00'), '\ufffd')
  t.equal(cleanText('\ud83d\0\ude00'), '😀', 'what NUL kept apart is whole again, and well formed')
  t.equal(cleanText('😀 é'), '😀 é')
  fc.assert(
    fc.property(anyText, (text) => {
      const clean = cleanText(text)
      return clean.isWellFormed() && !clean.includes('\0') && cleanText(clean) === clean
    }),
  )
})

t.test('JSON is cleaned in values and keys, at any place', async (t) => {
  t.strictSame(cleanJson({ 'k\0': ['a\0', { b: '\ud83d' }], n: 1, ok: true, none: null }), {
    k: ['a', { b: '\ufffd' }],
    n: 1,
    ok: true,
    none: null,
  })
  const given = JSON.parse('{"__proto__":{"polluted":"yes"},"\\u0000__proto__":{"polluted":"yes"}}')
  const clean = cleanJson(given) as Record<string, unknown>
  t.equal(clean.polluted, undefined)
  t.equal(({} as Record<string, unknown>).polluted, undefined)
  fc.assert(
    fc.property(
      fc.jsonValue({ stringUnit: 'binary' }),
      (value) => !JSON.stringify(cleanJson(value)).includes('\\u0000'),
    ),
  )
})

t.test('JSON that is nested deeper than PostgreSQL can read is cut off', async (t) => {
  const depth = 100_000
  const deep: unknown = JSON.parse(`${'[{"a":'.repeat(depth)}1${'}]'.repeat(depth)}`)
  const cleaned = JSON.stringify(cleanJson({ deep, beside: 'kept' }))
  t.ok(cleaned.length < 1_000)
  t.match(cleaned, /"beside":"kept"/)
  const shallow = JSON.parse(`${'['.repeat(90)}"x"${']'.repeat(90)}`)
  t.strictSame(cleanJson(shallow), shallow)
})

t.test('one line', async (t) => {
  t.equal(singleLine(' a\r\n\tb\u2028c\u2029d\u0085e\v\ff  g\0 '), 'a b c d e f g')
  fc.assert(fc.property(anyText, (text) => !/[\r\n\u0085\u2028\u2029\0]/.test(singleLine(text))))
})

t.test('cutting never splits what people see as one letter', async (t) => {
  t.equal(cutText('short', 40), 'short')
  t.equal(cutText('abc def', 4), 'abc')
  t.equal(cutText('👍🏽👍🏽', 7), '👍🏽')
  t.equal(cutText('👍🏽', 3), '')
  t.equal(cutText('नमस्ते', 5), 'नम')
  t.equal(cutText('', 0), '')
  const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat({ max: 60 }), (text, max) => {
      const cut = cutText(text, max)
      if (text.length <= max) return cut === text
      const ends = [...graphemes.segment(text)].map(({ index }) => index)
      const end = text.slice(cut.length).search(/\S/) + cut.length
      return (
        cut.length <= max &&
        text.startsWith(cut) &&
        (cut === '' || ends.some((at) => at >= cut.length && at <= end))
      )
    }),
  )
})
