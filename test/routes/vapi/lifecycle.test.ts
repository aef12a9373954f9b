import fc from 'fast-check'
import t from 'tap'
import { asOwner, build, type Harness, type TestClient } from '../../helper.ts'

const message = (client: TestClient, id: string, type: string, fields: object) => ({
  message: { type, call: { id }, phoneNumber: { number: client.number }, ...fields },
})
async function session({ app }: Harness, id: string) {
  const [row] = await asOwner(app)`
    select status, ended_reason, transcript, summary, recording_url, context from voice_sessions
    where vapi_call_id = ${id}`
  return row
}

t.test('what cannot stand in PostgreSQL is cleaned, in every text of a call', async (t) => {
  const harness = await build(t)
  const { webhook, addClient, app } = harness
  const client = await addClient()
  const dirty = (text: string) => `${text}\0 \ud83d!`
  const clean = (text: string) => `${text} \ufffd!`
  const sent = await webhook(
    message(client, 'dirty-1', 'end-of-call-report', {
      endedReason: dirty('ended'),
      analysis: {
        summary: dirty('summary'),
        structuredData: { [dirty('key')]: [dirty('value'), { deep: dirty('deep') }] },
        successEvaluation: dirty('true'),
      },
      artifact: { transcript: dirty('transcript'), recordingUrl: dirty('https://x.example/') },
    }),
  )
  t.equal(sent.statusCode, 200)
  t.match(await session(harness, 'dirty-1'), {
    ended_reason: clean('ended'),
    summary: clean('summary'),
    transcript: clean('transcript'),
    recording_url: clean('https://x.example/'),
    context: {
      structuredData: { [clean('key')]: [clean('value'), { deep: clean('deep') }] },
      successEvaluation: clean('true'),
    },
  })
  const others: [string, object][] = [
    ['status-update', { status: 'ended', endedReason: dirty('x') }],
    ['status-update', { status: dirty('in-progress') }],
    ['status-update', { status: 'forwarding', destination: { number: dirty('+1'), type: dirty('t') } }],
    ['transfer-update', { destination: { sipUri: dirty('sip:x') } }],
    ['hang', { anything: dirty('x') }],
  ]
  for (const [type, fields] of others) {
    const id = dirty(`dirty-${type}`)
    t.equal(
      (await webhook(message(client, id, type, fields))).statusCode,
      200,
      `${type} ${JSON.stringify(fields)}`,
    )
    t.ok(await session(harness, clean(`dirty-${type}`)))
  }
  const [{ n } = { n: 0 }] = await asOwner(app)<{ n: number }[]>`
    select count(*)::int as n from call_events where client_id = ${client.id}`
  t.equal(n, 6)
})

t.test('values that no column takes do not lose the rest of a report', async (t) => {
  const harness = await build(t)
  const { webhook, addClient } = harness
  const client = await addClient()
  const odd: Record<string, object> = {
    'times of another age': {
      startedAt: '-271821-04-20T00:00Z',
      endedAt: '+275760-09-13T00:00:00Z',
      timestamp: 8.64e15,
    },
    'times that are none': { startedAt: 'yesterday', endedAt: {}, timestamp: 'now' },
    'a call of sixty years': { startedAt: '2000-01-01T00:00Z', endedAt: '2059-12-31T00:00Z' },
    'nested data': {
      analysis: {
        summary: 'kept',
        structuredData: JSON.parse(`${'['.repeat(150)}1${']'.repeat(150)}`),
      },
    },
    'data of the wrong kind': {
      analysis: { summary: 'kept', structuredData: 'x', successEvaluation: [1, null] },
    },
    'nothing in it': { artifact: null, endedReason: null, cost: null },
  }
  for (const [name, fields] of Object.entries(odd)) {
    const body = message(client, name, 'end-of-call-report', { analysis: { summary: 'kept' }, ...fields })
    t.equal((await webhook(body)).statusCode, 200, name)
    t.match(await session(harness, name), { status: 'ended', summary: 'kept' }, name)
  }
})

t.test('whatever stands in the fields of a message, it is taken', async (t) => {
  const { webhook, addClient, logs } = await build(t)
  const { number, id: clientId } = await addClient()
  const field = fc.oneof(
    fc.jsonValue({ stringUnit: 'binary' }),
    fc.string({ unit: fc.constantFrom('\0', '\ud800', 'a') }),
  )
  const fields = fc.dictionary(
    fc.constantFrom(
      'status',
      'endedReason',
      'destination',
      'artifact',
      'analysis',
      'timestamp',
      'customer',
      'startedAt',
      'summary',
      'transcript',
    ),
    field,
  )
  const inside = fc.record({
    artifact: fc.dictionary(
      fc.constantFrom('transcript', 'recording', 'recordingUrl', 'stereoRecordingUrl'),
      field,
    ),
    analysis: fc.dictionary(fc.constantFrom('summary', 'structuredData', 'successEvaluation'), field),
  })
  const type = fc.constantFrom('status-update', 'end-of-call-report', 'transfer-update', 'hang')
  await fc.assert(
    fc.asyncProperty(
      type,
      fields,
      fc.option(inside, { nil: {} }),
      fc.uuid(),
      async (type, given, deeper, id) => {
        const answer = await webhook({
          message: {
            ...given,
            ...deeper,
            type,
            call: { id },
            phoneNumber: { number },
            assistant: { metadata: { clientId } },
          },
        })
        if (answer.statusCode !== 200)
          throw new Error(
            JSON.stringify(answer.json()) + JSON.stringify(logs.filter(({ level }) => Number(level) >= 50)),
          )
        return true
      },
    ),
    { numRuns: 200 },
  )
  t.strictSame(
    // On a busy machine the queue may be late for its own connections; that is no matter of the messages.
    logs.filter(({ level, msg }) => Number(level) >= 50 && msg !== 'the queue reports an error'),
    [],
  )
})

t.test('VAPI says why it refused an assistant, and the log repeats it', async (t) => {
  const { webhook, addClient, logs } = await build(t)
  const { number } = await addClient()
  const text =
    'Invalid Assistant. Errors: [ "assistant.name must be shorter than or equal to 40 characters" ]'
  const refused = {
    type: 'status-update',
    status: 'ended',
    endedReason: 'assistant-request-returned-invalid-assistant',
    inboundPhoneCallDebuggingArtifacts: { error: "Couldn't Get Assistant...", assistantRequestError: text },
  }
  t.equal(
    (await webhook({ message: { ...refused, call: { id: 'refused-1' }, phoneNumber: { number } } }))
      .statusCode,
    200,
  )
  t.equal((await webhook({ message: refused })).statusCode, 200, 'also without a call or a client')
  t.match(
    logs.filter(({ level }) => level === 50),
    [
      { call: 'refused-1', refused: text, msg: 'VAPI refused the assistant' },
      { refused: text, msg: 'VAPI refused the assistant' },
    ],
  )
  for (const artifacts of [null, 'x', [], { assistantRequestError: { a: 1 } }])
    t.equal(
      (await webhook({ message: { ...refused, inboundPhoneCallDebuggingArtifacts: artifacts } })).statusCode,
      200,
    )
})

t.test('a message about nobody is taken and leaves nothing', async (t) => {
  const { webhook, app } = await build(t)
  const before = await asOwner(app)`select count(*) from voice_sessions`
  for (const fields of [
    {},
    { call: { id: 'nobody-1' }, phoneNumber: { number: '+14155550199' } },
    {
      call: { id: 'nobody-2' },
      assistant: { metadata: { clientId: 'c0ffee00-1111-4222-8333-444444444444' } },
    },
    { call: { id: 'nobody-3' }, assistant: { metadata: { clientId: "'; drop table clients" } } },
  ])
    t.match(await webhook({ message: { type: 'end-of-call-report', ...fields } }), { statusCode: 200 })
  t.strictSame(await asOwner(app)`select count(*) from voice_sessions`, before)
})

t.test('a call keeps the client its assistant was made for', async (t) => {
  const harness = await build(t)
  const { webhook, addClient, app } = harness
  const first = await addClient()
  const second = await addClient()
  const ended = { status: 'ended', assistant: { metadata: { clientId: second.id } } }
  await webhook(message(first, 'owner-1', 'status-update', ended))
  await webhook({ message: { type: 'hang', call: { id: 'owner-1' } } })
  const rows = await asOwner(
    app,
  )`select client_id, context from voice_sessions where vapi_call_id = 'owner-1'`
  t.match(
    [...rows],
    [{ client_id: second.id, context: { hang: true } }],
    'and is found again by its id alone',
  )
})
