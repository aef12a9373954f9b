import fc from 'fast-check'
import t from 'tap'
import { createAssistantBuilder } from '../../../services/assistant/builder.ts'
import { createReception } from '../../../services/assistant/reception.ts'
import { createTemplate } from '../../../services/assistant/template.ts'
import { toClient } from '../../../services/clients/client.ts'
import { upstreamToolsOf } from '../../../services/mcp/assistant-tool.ts'
import { vapiToolsOf } from '../../../services/tools/catalogue.ts'
import { client, NOW, ODD, row } from './clients.ts'
import { refusals } from './rules.ts'

const PUBLIC_URL = 'https://agent.example.com'
const builder = createAssistantBuilder({
  publicUrl: PUBLIC_URL,
  credentialId: 'cred_abc123',
  toolsOf: [vapiToolsOf, upstreamToolsOf(PUBLIC_URL, 'cred_abc123')],
})

/** A reception at any time one likes, and how often it had an assistant made. */
function reception() {
  let now = NOW
  let made = 0
  const { answer } = createReception({
    journal: { answered() {} },
    builder: {
      ...builder,
      fromWords(...given) {
        made += 1
        return builder.fromWords(...given)
      },
    },
    clock: () => now,
    log: { error: () => {}, warn: () => {} },
  })
  return {
    made: () => made,
    answer(
      of: ReturnType<typeof client>,
      ring: { caller: string | undefined; callToken?: string },
      at = NOW,
    ) {
      now = at
      return answer({ client: of, source: 'cache' }, ring)
    },
  }
}

/** All that JSON escapes, halves of pairs, and what looks as if it meant something to whoever fills a template in. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom(
    '"',
    '\\',
    '\u2028\u2029',
    '\ud800',
    '\udc00',
    '\0\u001f\u007f',
    '{{now}}',
    '$&',
    ':0;',
    '😀',
  ),
)
const anyToken = fc.option(fc.oneof(fc.base64String({ minLength: 1, maxLength: 400 }), anyText), {
  nil: undefined,
})

t.test('filled in, it is what JSON.stringify writes, byte for byte', async () => {
  const words = fc.record({ a: anyText, b: fc.option(anyText, { nil: undefined }), c: anyText })
  fc.assert(
    fc.property(anyText, words, words, (own, sample, later) => {
      type Sample = typeof sample
      const make = ({ a, b, c }: Sample) => ({
        own,
        [`key ${own}`]: [own, a, b === undefined ? {} : { b }],
        twice: `<${a}> ${own} <${a}>`,
        last: c,
      })
      const filled = createTemplate<Sample>(sample, make).fill(later)
      if ((sample.b === undefined) !== (later.b === undefined)) return filled === undefined
      return filled?.equals(Buffer.from(JSON.stringify(make(later)))) ?? false
    }),
    { numRuns: 2_000 },
  )
})

t.test('a template without words, and a word that is not used', async (t) => {
  t.equal(String(createTemplate({}, () => ({ a: 'ä' })).fill({})), '{"a":"ä"}')
  t.equal(String(createTemplate({ x: '1' }, () => []).fill({ x: '2' })), '[]')
})

t.test('every client, caller, zone, time and token gets the bytes of its assistant', async () => {
  const zones = fc.constantFrom(...Intl.supportedValuesOf('timeZone'), 'Mars/Olympus', null)
  const settings = fc.record(
    {
      greeting: anyText,
      business_details: anyText,
      services: fc.array(anyText, { maxLength: 3 }),
      instructions: anyText,
      language: fc.constantFrom('en', 'fr', 'de'),
      mcp_tools: fc.constant({ upstream: true }),
      transfer_number: fc.constant('+14155550100'),
    },
    { requiredKeys: [] },
  )
  const rows = fc
    .record({ client_name: anyText, timezone: zones, settings })
    .map((change) => toClient(row(change)))
  const times = fc
    .integer({ min: Date.UTC(2000, 0), max: Date.UTC(2059, 11) })
    .map(Temporal.Instant.fromEpochMilliseconds)
  const rings = fc.record({
    caller: fc.option(fc.constantFrom('+12505550188', '+4915112345678'), { nil: undefined }),
    callToken: anyToken,
    now: times,
  })
  fc.assert(
    fc.property(
      fc.oneof(rows, fc.constantFrom(...Object.values(ODD).filter(({ active }) => active))),
      fc.array(rings, { minLength: 3, maxLength: 5 }),
      (of, calls) => {
        const { answer } = reception()
        return calls.every(({ now, caller, callToken }) => {
          const ring = { caller, ...(callToken !== undefined && { callToken }) }
          const expected = JSON.stringify({ assistant: builder.forClient(of, { ...ring, now }) })
          return answer(of, ring, now).equals(Buffer.from(expected))
        })
      },
    ),
    { numRuns: 300 },
  )
})

t.test('an assistant is made for the first call and the second, and for no other', async (t) => {
  const { answer, made } = reception()
  const [one, changed] = [client(), client({ client_name: 'Riverside Heating' })]
  for (const caller of ['+12505550188', undefined, '+14155550100'])
    for (const minutes of [0, 1, 60 * 24 * 90]) answer(one, { caller }, NOW.add({ minutes }))
  t.equal(made(), 2)
  t.match(
    String(answer(changed, { caller: undefined })),
    'Riverside Heating',
    'a row that changed is made anew',
  )
  t.equal(made(), 3)
  t.match(String(answer(one, { caller: undefined, callToken: 'abc' })), '"x-call-token":"abc"')
  t.equal(made(), 4, 'what its template does not fit is made without it')
})

t.test("the call's token goes with all that VAPI sends of the call, and nowhere else", async (t) => {
  const of = client({ settings: { mcp_tools: { upstream: true } } })
  const assistantWith = (callToken: string | undefined) =>
    builder.forClient(of, { caller: undefined, now: NOW, callToken })
  const made = assistantWith('header.payload.signature')
  t.strictSame(refusals({ assistant: made }), [])
  t.strictSame(made.server?.headers, { 'x-call-token': 'header.payload.signature' })
  t.match(
    made.model?.tools?.find(({ type }) => type === 'mcp'),
    { server: { headers: { 'x-call-token': 'header.payload.signature', 'x-phone-number': of.number } } },
  )
  t.equal(JSON.stringify(made).split('header.payload.signature').length - 1, 2)
  t.notMatch(JSON.stringify(assistantWith(undefined)), 'x-call-token')
  t.notOk('headers' in (assistantWith(undefined).server ?? {}))
})
