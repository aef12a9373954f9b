import fc from 'fast-check'
import t from 'tap'
import { asOwner, build, eventually, TOKEN, VAPI_KEY } from '../../helper.ts'
import { refusals } from '../../services/assistant/rules.ts'

interface Answer {
  assistant: {
    name: string
    metadata: { clientId?: string }
    model: { messages: { content: string }[]; tools?: object[] }
  }
}

const ring = (fields: object) => ({ message: { type: 'assistant-request', ...fields } })

t.test('the client of the dialled number answers, in whatever notation VAPI gives it', async (t) => {
  const { webhook, addClient } = await build(t)
  await addClient({ client_name: 'Somebody Else' })
  const { id } = await addClient({ twilio_number: '+17787450185' })
  const places = (number: string) => [
    { phoneNumber: { number } },
    { call: { phoneNumber: { number } } },
    { phoneNumber: { number: null }, call: { phoneNumber: { number } } },
    { phoneNumber: { number }, call: { phoneNumber: { number: '+14155550199' } } },
  ]
  for (const number of [
    '+17787450185',
    '(778) 745-0185',
    '1-778-745-0185',
    'sip:+17787450185@sip.example.com',
  ])
    for (const fields of places(number)) {
      const answer = await webhook(ring(fields))
      t.match(
        [answer.statusCode, answer.json()],
        [200, { assistant: { metadata: { clientId: id } } }],
        JSON.stringify(fields),
      )
    }
})

t.test(
  'a number of nobody gets the generic assistant, without tools and without anybody’s data',
  async (t) => {
    const { webhook, addClient, logs } = await build(t)
    const client = await addClient({ client_name: 'Private Business' })
    for (const fields of [
      { phoneNumber: { number: '+14155550199' } },
      { phoneNumber: { number: 'anonymous' } },
      { phoneNumber: { id: client.id } },
      {},
      // What a stranger claims to be does not open a client's data.
      { assistant: { metadata: { clientId: client.id } }, phoneNumber: { number: '+14155550199' } },
    ]) {
      const answer = await webhook(ring(fields))
      t.equal(answer.statusCode, 200)
      const text = JSON.stringify(answer.json())
      t.match(answer.json(), { assistant: { name: 'Receptionist', firstMessage: String, metadata: {} } })
      t.notMatch(text, /Private Business|"tools"|clientId/)
      t.strictSame(refusals(answer.json()), [])
    }
    t.match(
      logs.filter(({ level }) => level === 40),
      Array.from({ length: 5 }, () => ({ reason: 'unknown' })),
    )
  },
)

t.test('a client that is not active', async (t) => {
  const { webhook, addClient } = await build(t)
  const answerOf = async (settings: object, twilio_number?: string) => {
    const change = { status: 'paused', settings: { ...settings }, ...(twilio_number && { twilio_number }) }
    const { number } = await addClient(change)
    const answer = await webhook(ring({ phoneNumber: { number } }))
    t.equal(answer.statusCode, 200)
    return answer.json()
  }
  t.strictSame(await answerOf({ transfer_number: '+14155550100' }), {
    destination: { type: 'number', number: '+14155550100', message: '' },
  })
  t.match(await answerOf({}), { error: /^Thank you for calling Riverside Plumbing\. We cannot take calls/ })
  t.match(await answerOf({ transfer_number: '+17785559999' }, '+17785559999'), { error: String }, 'no loop')
})

t.test('rows that nobody should have written are answered, and complained about', async (t) => {
  const { webhook, addClient, app, logs } = await build(t)
  const rows: [string, string, unknown][] = [
    ['a bad zone', 'timezone', 'Mars/Olympus'],
    ['an empty name', 'client_name', ' '],
    ['settings that are a list', 'settings', []],
    ['settings that are text', 'settings', 'x'],
    ['settings that do not fit', 'settings', { voice: 5, language: 'tlh', greeting: '' }],
  ]
  for (const [name, column, value] of rows) {
    const { id, number } = await addClient()
    const stored = column === 'settings' ? JSON.stringify(value) : String(value)
    const type = column === 'settings' ? 'jsonb' : 'text'
    await asOwner(app).unsafe(`update clients set ${column} = $1::text::${type} where id = $2`, [stored, id])
    const complaints = () => logs.filter(({ level, client }) => level === 50 && client === id)
    const answer = await eventually(async () => {
      const given = await webhook(ring({ phoneNumber: { number } }))
      return complaints().length > 0 && given
    }, 'the change to be seen')
    t.equal(answer.statusCode, 200, name)
    t.match(
      answer.json(),
      { assistant: { firstMessage: /How can I help/, metadata: { clientId: id } } },
      name,
    )
    t.strictSame(refusals(answer.json()), [], name)
    t.match(
      complaints()[0],
      { problems: [new RegExp(column)], msg: 'the client is not set up correctly' },
      name,
    )
  }
})

t.test('the caller is told apart from one who withholds the number', async (t) => {
  const { webhook, addClient } = await build(t)
  const { number } = await addClient()
  const prompt = async (customer: object) => {
    const answer = await webhook(ring({ phoneNumber: { number }, ...customer }))
    return (answer.json() as Answer).assistant.model.messages[0]?.content ?? ''
  }
  for (const customer of [
    { customer: { number: '+12505550188' } },
    { call: { customer: { number: '(250) 555-0188' } } },
  ])
    t.match(await prompt(customer), 'Calls from +12505550188.')
  for (const withheld of ['+266696687', '266696687', '86282452253', '+7378742833', 'anonymous', '', null])
    t.match(await prompt({ customer: { number: withheld } }), 'The number is withheld.', String(withheld))
  t.match(await prompt({}), 'The number is withheld.')
})

t.test('no secret leaves in an assistant', async (t) => {
  const { webhook, addClient } = await build(t, { env: { VAPI_CREDENTIAL_ID: 'cred_abc123' } })
  const { number, token } = await addClient()
  const answer = JSON.stringify((await webhook(ring({ phoneNumber: { number } }))).json())
  t.match(answer, '"credentialId":"cred_abc123"')
  for (const secret of [token, TOKEN, VAPI_KEY]) t.notOk(answer.includes(secret), secret)
})

t.test('whatever the message holds, the caller hears somebody', async (t) => {
  const { webhook, addClient } = await build(t)
  const active = await addClient()
  const paused = await addClient({ status: 'paused' })
  const rubbish = fc.jsonValue({ stringUnit: 'binary', maxDepth: 3 })
  const number = fc.oneof(
    rubbish,
    fc.constantFrom(active.number, paused.number, '+266696687', 'sip:', '\0', '\ud800'),
  )
  const holder = fc.oneof(
    rubbish,
    fc.record({ number }),
    fc.record({ number, phoneNumber: fc.record({ number }), customer: fc.record({ number }), id: rubbish }),
  )
  const fields = fc.record(
    {
      phoneNumber: holder,
      call: holder,
      customer: holder,
      timestamp: rubbish,
      assistant: rubbish,
      artifact: rubbish,
      message: rubbish,
    },
    { requiredKeys: [] },
  )
  const kinds = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fields, fc.boolean(), async (given, wrapped) => {
      const message = { ...given, type: 'assistant-request' }
      const answer = await webhook(wrapped ? { message } : message)
      const body = answer.json() as object
      for (const kind of Object.keys(body)) kinds.add(kind)
      return answer.statusCode === 200 && refusals(body).length === 0
    }),
    { numRuns: 500 },
  )
  t.ok(kinds.has('assistant'))
})
