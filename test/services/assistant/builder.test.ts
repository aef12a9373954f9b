import fc from 'fast-check'
import t from 'tap'
import { LANGUAGES, MODELS } from '../../../schemas/client.ts'
import { createAssistantBuilder } from '../../../services/assistant/builder.ts'
import { assistantOf, builder, CRM_TOKEN, client, ID, NOW, ODD, toolNames, withSettings } from './clients.ts'
import { refusals } from './rules.ts'

const nameOf = (client_name: string) => assistantOf(client({ client_name })).name

t.test('the name has at most 40 UTF-16 units and ends between two letters', async (t) => {
  t.equal(nameOf('Riverside Plumbing'), 'Riverside Plumbing')
  t.equal(nameOf('x'.repeat(60)), 'x'.repeat(40))
  t.equal(nameOf('x'.repeat(40)), 'x'.repeat(40))
  // 11 units each, held together by joiners: three fit, and the fourth is not cut into a lonely parent.
  t.equal(nameOf('👨‍👩‍👧‍👦'.repeat(5)), '👨‍👩‍👧‍👦'.repeat(3))
  // 4 units each.
  t.equal(nameOf('🇨🇦'.repeat(15)), '🇨🇦'.repeat(10))
  t.equal(nameOf(`x${'🇨🇦'.repeat(15)}`), `x${'🇨🇦'.repeat(9)}`)
  // The accent is a unit of its own and stays with its letter.
  t.equal(nameOf(`${'x'.repeat(39)}e\u0301`), 'x'.repeat(39))
  t.equal(nameOf(`${'x'.repeat(38)}e\u0301y`), `${'x'.repeat(38)}e\u0301`)
  t.equal(nameOf(`${'x'.repeat(39)} Limited`), 'x'.repeat(39))
  t.equal(nameOf('شركة'), 'شركة')
})

t.test('a name that cannot be used is replaced', async (t) => {
  for (const name of ['', ' \n ', `e${'\u0301'.repeat(100)}`]) t.equal(nameOf(name), 'Receptionist')
})

t.test('any name at all makes a valid assistant', async () => {
  const names = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary', maxLength: 200 }))
  fc.assert(
    fc.property(names, (name) => {
      const made = assistantOf(client({ client_name: name }))
      const cut = made.name ?? ''
      return refusals({ assistant: made }).length === 0 && (!name.isWellFormed() || cut.isWellFormed())
    }),
  )
})

t.test('what is said first', async (t) => {
  const first = (settings: object) => assistantOf(withSettings(settings)).firstMessage
  t.equal(
    first({}),
    'This call is answered by an AI assistant and recorded to note your request. ' +
      'Thank you for calling Riverside Plumbing. How can I help you today?',
  )
  t.equal(
    first({ greeting: 'Hi, this is\nBob\'s  "office"!' }),
    'This call is answered by an AI assistant and recorded to note your request. Hi, this is Bob\'s "office"!',
  )
  t.equal(first({ greeting: 'Hello.', recording: 'off' }), 'Hello.')
  t.match(first({ greeting: ' \n ', recording: 'off' }), /^Thank you for calling Riverside Plumbing\./)
  t.match(assistantOf(client({ client_name: '' })).firstMessage, /Thank you for calling\. How can I/)
  t.match(
    assistantOf(client({ client_name: 'n'.repeat(5_000) })).firstMessage,
    /How can I help you today\?$/,
    'a long name leaves room for the question',
  )
  t.equal(first({ greeting: 'Call {{customer.number}} {% if %}', recording: 'off' })?.match(/\{[{%]/), null)
})

t.test('recording is stated explicitly, and whoever is recorded is told first', async (t) => {
  for (const language of LANGUAGES) {
    const on = assistantOf(withSettings({ language, recording: 'announce' }))
    const byDefault = assistantOf(withSettings({ language }))
    const off = assistantOf(withSettings({ language, recording: 'off' }))
    t.strictSame(
      [on.artifactPlan, off.artifactPlan],
      [{ recordingEnabled: true }, { recordingEnabled: false }],
    )
    t.strictSame(byDefault, on)
    const said = off.firstMessage ?? ''
    t.ok(on.firstMessage?.endsWith(` ${said}`), `${language}: the notice comes before the greeting`)
    t.not(on.firstMessage, said)
  }
  t.strictSame(builder.generic().artifactPlan, { recordingEnabled: false })
})

t.test('every language speaks, listens and hangs up in itself', async (t) => {
  const greetings = new Set<string | undefined>()
  for (const language of LANGUAGES) {
    const made = assistantOf(withSettings({ language, recording: 'off' }))
    t.match(made.transcriber, { provider: 'deepgram', language })
    t.ok(made.firstMessage?.includes('Riverside Plumbing'))
    t.ok((made.endCallPhrases ?? []).length > 0)
    greetings.add(made.firstMessage)
  }
  t.equal(greetings.size, LANGUAGES.length)
})

t.test('every model of the list is handed on as it was chosen', async (t) => {
  for (const [provider, models] of Object.entries(MODELS))
    for (const model of models)
      t.match(assistantOf(withSettings({ model: { provider, model, temperature: 0.7 } })).model, {
        provider,
        model,
        temperature: 0.7,
      })
})

t.test('messages of the call come back here, and are repeated until they are taken', async (t) => {
  for (const made of [assistantOf(client()), builder.generic()]) {
    t.match(made.server, {
      url: 'https://agent.example.com/vapi/webhooks',
      credentialId: 'cred_abc123',
      backoffPlan: { type: 'exponential', maxRetries: Number, baseDelaySeconds: Number },
    })
    t.ok(Number(made.server?.timeoutSeconds) > 0)
    t.strictSame(
      [...(made.serverMessages ?? [])].toSorted(),
      [
        ...['end-of-call-report', 'hang', 'status-update', 'tool-calls'],
        ...['transfer-destination-request', 'transfer-update'],
      ],
      'only what is used: the default has messages that come several times a second',
    )
  }
  const bare = createAssistantBuilder({
    publicUrl: 'https://a.example',
    credentialId: undefined,
    toolsOf: [],
  })
  t.notOk('credentialId' in (bare.generic().server ?? {}))
})

t.test('the client is named in the metadata, and nobody in the generic assistant', async (t) => {
  t.strictSame(assistantOf(client()).metadata, { clientId: ID })
  t.strictSame(builder.generic().metadata, {})
  t.strictSame(toolNames(builder.generic()), [])
})

t.test('without a calendar or a zone nothing can be booked', async (t) => {
  t.strictSame(
    toolNames(assistantOf(client()))
      .filter((name) => /book|availab/.test(name))
      .toSorted(),
    ['book_appointment', 'check_availability'],
  )
  for (const change of [{ calendar_id: null }, { calendar_id: ' ' }, { timezone: 'Nowhere/Land' }]) {
    const names = toolNames(assistantOf(client(change)))
    t.notOk(names.includes('book_appointment') || names.includes('check_availability'))
    t.ok(names.includes('find_or_create_contact'))
  }
})

t.test('no secret and no address of the CRM stands in an assistant', async (t) => {
  for (const [name, odd] of Object.entries(ODD)) {
    const text = JSON.stringify(builder.forClient(odd, { caller: '+12505550188', now: NOW }))
    for (const secret of [CRM_TOKEN, 'LocationOfTheClient1', 'CalendarOfTheClient1'])
      t.notOk(text.includes(secret), `${name}: ${secret}`)
    t.notMatch(text, /bearer|authorization|secret/i, name)
  }
})

t.test('VAPI would take the assistant of every client, however odd', async (t) => {
  for (const [name, odd] of Object.entries(ODD))
    for (const caller of ['+12505550188', undefined])
      t.strictSame(refusals({ assistant: builder.forClient(odd, { caller, now: NOW }) }), [], name)
  t.strictSame(refusals({ assistant: builder.generic() }), [])
})

t.test('and of settings that nobody thought of', async () => {
  const names = [
    'greeting',
    'business_details',
    'services',
    'hours',
    'instructions',
    'language',
    'voice',
    'model',
  ]
  const settings = fc.dictionary(
    fc.oneof(fc.constantFrom(...names, 'transfer_number', 'recording', 'max_duration_seconds'), fc.string()),
    fc.jsonValue(),
  )
  fc.assert(
    fc.property(fc.oneof(settings, fc.jsonValue()), (value) => {
      return refusals({ assistant: assistantOf(withSettings(value)) }).length === 0
    }),
    { numRuns: 500 },
  )
})

t.test('the check itself finds what VAPI is known to refuse', async (t) => {
  const good = JSON.parse(JSON.stringify(assistantOf(client())))
  const broken: [string, object][] = [
    ['a bare assistant', good],
    ['a long name', { assistant: { ...good, name: 'x'.repeat(41) } }],
    ['a property that does not exist', { assistant: { ...good, backchannelPlan: {} } }],
    ['tools in the wrong place', { assistant: { ...good, tools: [] } }],
    ['too long a call', { assistant: { ...good, maxDurationSeconds: 43_201 } }],
    ['a phrase of one letter', { assistant: { ...good, endCallPhrases: ['x'] } }],
    [
      'a model without its provider',
      { assistant: { ...good, model: { ...good.model, provider: undefined } } },
    ],
    ['two answers', { assistant: good, error: 'x' }],
    ['no answer', {}],
  ]
  t.strictSame(refusals({ assistant: good }), [])
  for (const [name, answer] of broken) t.not(refusals(answer).length, 0, name)
})
