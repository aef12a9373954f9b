import fc from 'fast-check'
import t from 'tap'
import { firstText, text } from '../../../services/json.ts'
import { readMessage, readToolCalls } from '../../../services/vapi/messages.ts'

t.test('wrapped and bare messages read the same', async (t) => {
  const bare = { type: 'hang', call: { id: 'c1' }, phoneNumber: { number: '+17787450185' } }
  const { body: _, ...read } = readMessage(bare)
  const { body: __, ...wrapped } = readMessage({ message: bare })
  t.strictSame(wrapped, read)
  t.match(read, { type: 'hang', callId: 'c1', calledNumber: '+17787450185' })
  t.equal(
    readMessage({ ...bare, message: { role: 'user' } }).callId,
    'c1',
    'a bare one with a property of that name',
  )
  t.equal(readMessage({ ...bare, message: { type: 5 } }).type, 'hang')
})

t.test('without a type that is text there is none', async (t) => {
  for (const body of [
    {},
    { type: 5 },
    { type: '' },
    { type: '\0' },
    { message: {} },
    { message: 'x' },
    { message: [] },
    null,
    'x',
    [],
  ])
    t.equal(readMessage(body).type, '', JSON.stringify(body))
})

t.test('the number that was dialled, from either place, in any notation', async (t) => {
  const called = (body: object) => readMessage({ message: { type: 'x', ...body } }).calledNumber
  t.equal(called({ phoneNumber: { number: '+17787450185' } }), '+17787450185')
  t.equal(called({ call: { phoneNumber: { number: '(778) 745-0185' } } }), '+17787450185')
  t.equal(
    called({
      phoneNumber: { number: 'sip:+17787450185@x' },
      call: { phoneNumber: { number: '+14155550100' } },
    }),
    '+17787450185',
  )
  t.equal(
    called({ phoneNumber: { number: 'rubbish' }, call: { phoneNumber: { number: '+14155550100' } } }),
    '+14155550100',
  )
  for (const rubbish of [null, 5, 'x', [], { number: {} }, { number: null }])
    t.equal(called({ phoneNumber: rubbish, call: rubbish }), undefined)
})

t.test('the caller, from either place; a withheld number is none', async (t) => {
  const caller = (body: object) => readMessage({ message: { type: 'x', ...body } }).caller
  t.equal(caller({ customer: { number: '+12505550188' } }), '+12505550188')
  t.equal(caller({ call: { customer: { number: '250-555-0188' } } }), '+12505550188')
  for (const number of ['anonymous', '+266696687', '', null, 5])
    t.equal(caller({ customer: { number } }), undefined)
  t.equal(caller({}), undefined)
})

t.test('the client, by what our own assistant says', async (t) => {
  const assistant = { metadata: { clientId: 'id-1' } }
  t.equal(readMessage({ type: 'x', assistant }).clientId, 'id-1')
  t.equal(readMessage({ type: 'x', call: { assistant } }).clientId, 'id-1')
  t.equal(readMessage({ type: 'x', assistant: { metadata: null } }).clientId, undefined)
})

t.test('a call id fits the database or is none', async (t) => {
  const id = (value: unknown) => readMessage({ type: 'x', call: { id: value } }).callId
  t.equal(id('7420f27a-30fd-4f49-a995-5549ae7cc00d'), '7420f27a-30fd-4f49-a995-5549ae7cc00d')
  t.equal(id('a\0b'), 'ab')
  for (const value of ['', '\0', 5, {}, null, 'x'.repeat(201)]) t.equal(id(value), undefined)
})

t.test('tool calls in every shape VAPI has used', async (t) => {
  const calls = (body: object) => readToolCalls(readMessage({ message: { type: 'tool-calls', ...body } }))
  const expected = [{ id: 'call_1', name: 'book', arguments: { day: 'friday' } }]
  const openAi = { id: 'call_1', type: 'function', function: { name: 'book', arguments: { day: 'friday' } } }
  const asText = { ...openAi, function: { name: 'book', arguments: '{"day":"friday"}' } }
  const flat = { id: 'call_1', name: 'book', arguments: { day: 'friday' } }
  const parameters = { id: 'call_1', name: 'book', parameters: { day: 'friday' } }
  for (const entry of [openAi, asText, flat, parameters]) {
    t.strictSame(calls({ toolCallList: [entry] }), expected)
    t.strictSame(calls({ toolCalls: [entry] }), expected)
    t.strictSame(
      calls({ toolCallList: [entry], toolCalls: [entry], toolWithToolCallList: [{ toolCall: entry }] }),
      expected,
    )
    t.strictSame(calls({ toolCallList: [], toolWithToolCallList: [{ toolCall: entry }] }), expected)
  }
  t.strictSame(
    calls({
      toolWithToolCallList: [{ name: 'book', toolCall: { id: 'call_1', parameters: { day: 'friday' } } }],
    }),
    expected,
  )
  t.strictSame(calls({ toolCallList: [{ id: 'call_1', name: 'book', arguments: 'not JSON' }] }), [
    { ...expected[0], arguments: {} },
  ])
  t.strictSame(calls({ toolCallList: [{ name: 'book' }] }), [], 'without an id it cannot be answered')
})

t.test('the definition of a tool in the third list does not stand in for what was called', async (t) => {
  const message = readMessage({
    type: 'tool-calls',
    toolWithToolCallList: [
      {
        type: 'function',
        function: { name: 'book', parameters: { type: 'object', properties: { day: { type: 'string' } } } },
        toolCall: { id: 'call_1', arguments: { day: 'friday' } },
      },
    ],
  })
  t.strictSame(readToolCalls(message), [{ id: 'call_1', name: 'book', arguments: { day: 'friday' } }])
})

t.test('whatever comes, nothing throws', async () => {
  const field = fc.jsonValue()
  const envelope = fc.record(
    {
      type: field,
      call: field,
      phoneNumber: field,
      customer: field,
      assistant: field,
      timestamp: field,
      toolCallList: field,
      toolCalls: field,
      toolWithToolCallList: field,
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        envelope,
        envelope.map((message) => ({ message })),
      ),
      (body) => {
        const calls = readToolCalls(readMessage(body))
        return calls.every(
          ({ id, name, arguments: given }) => id && typeof name === 'string' && typeof given === 'object',
        )
      },
    ),
    { numRuns: 1_000 },
  )
})

t.test('the first text that holds something', async (t) => {
  t.equal(firstText(undefined, '', 5, '\0', 'a\0b', 'c'), 'ab')
  t.equal(firstText(null, {}), undefined)
  t.equal(text('\ud83d'), '\ufffd')
})
