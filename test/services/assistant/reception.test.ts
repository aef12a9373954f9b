import t from 'tap'
import { createReception } from '../../../services/assistant/reception.ts'
import { answer, builder, client, NOW, ODD } from './clients.ts'
import { refusals } from './rules.ts'

t.test(
  'a number of nobody is answered by the generic assistant, which knows nothing of any client',
  async (t) => {
    const { answer: given, log } = answer(undefined)
    t.match(given, { assistant: { metadata: {}, name: 'Receptionist' } })
    t.notMatch(JSON.stringify(given), /Riverside|clientId|tools/)
    t.match(log, [{ level: 'warn', facts: { reason: 'unknown' } }])
  },
)

t.test('a client that takes no calls', async (t) => {
  const closed = (settings: object, status = 'paused') => answer(client({ status, settings })).answer
  t.strictSame(closed({ transfer_number: '+14155550100' }), {
    destination: { type: 'number', number: '+14155550100', message: '' },
  })
  const sentence = {
    error:
      'Thank you for calling Riverside Plumbing. We cannot take calls on this number right now. Goodbye.',
  }
  t.strictSame(closed({}), sentence)
  t.strictSame(closed({}, 'inactive'), sentence)
  t.strictSame(closed({ transfer_number: '+17787450185' }), sentence, 'its own number would ring for ever')
  for (const number of ['911', '+1999', 'none', 5, null])
    t.strictSame(closed({ transfer_number: number }), sentence, `not a number: ${number}`)
  const { answer: braces } = answer(client({ status: 'paused', client_name: '{{x}}{%y%}' }))
  t.notMatch(JSON.stringify(braces), /\{\{|\{%/)
})

t.test('a row that cannot be used still answers, and the log says what is wrong with it', async (t) => {
  const rows = {
    'a bad zone': /timezone "Mars\/Olympus"/,
    'no zone': /timezone null/,
    'an empty name': /client_name is empty/,
    'settings that are text': /settings is not an object/,
    'settings that are a list': /settings is not an object/,
    'settings of wrong types': /settings\.greeting/,
    'a voice that does not exist': /settings\.voice/,
    'a model that does not exist': /settings\.model/,
  }
  for (const [name, problem] of Object.entries(rows)) {
    const { answer: given, log } = answer(ODD[name])
    t.match(
      given,
      { assistant: { firstMessage: /How can I help you today/, voice: { provider: 'vapi' } } },
      name,
    )
    t.match(log, [{ level: 'error', facts: { client: String, problems: [problem] } }], name)
  }
  t.strictSame(answer(client()).log, [], 'nothing is wrong with an ordinary one')
})

t.test('VAPI would take what any client answers', async (t) => {
  for (const [name, odd] of Object.entries(ODD)) t.strictSame(refusals(answer(odd).answer), [], name)
  t.strictSame(refusals(answer(undefined).answer), [])
})

t.test('whatever goes wrong in making an assistant, somebody answers', async (t) => {
  const errors: string[] = []
  const reception = createReception({
    journal: { answered() {} },
    builder: {
      ...builder,
      fromWords: () => {
        throw new Error('made to fail')
      },
    },
    clock: () => NOW,
    log: { error: (_facts, message) => void errors.push(message), warn: () => {} },
  })
  const given = reception.answer({ client: client(), source: 'load' }, { caller: undefined })
  t.strictSame(JSON.parse(String(given)), { assistant: builder.generic() })
  t.match(errors, ['no assistant could be made: the generic one answers'])
})

t.test('the last known client answers, and the log says so', async (t) => {
  const warnings: string[] = []
  const reception = createReception({
    journal: { answered() {} },
    builder,
    clock: () => NOW,
    log: { error: () => {}, warn: (_facts, message) => void warnings.push(message) },
  })
  const given = reception.answer({ client: client(), source: 'last-known' }, { caller: undefined })
  t.match(JSON.parse(String(given)), { assistant: { name: 'Riverside Plumbing' } })
  t.match(warnings, ['the database did not answer: the last known client answers'])
})
