import t from 'tap'
import { printableError } from '../../plugins/request-log.ts'
import { build, eventually, TOKEN } from '../helper.ts'

t.test(
  'one line a request, which says what, for whom, which call, how it ended and how long it took',
  async (t) => {
    const { addClient, app, logs, webhook } = await build(t)
    const { id, number } = await addClient()
    const lines = () => logs.filter(({ msg }) => msg === 'request')
    const call = { id: 'call-1' }
    const phoneNumber = { number }

    await webhook({ message: { type: 'assistant-request', call, phoneNumber } })
    await webhook({ message: { type: 'status-update', status: 'ringing', call, phoneNumber } })
    await webhook({ message: { type: 'never-heard-of', call, phoneNumber } })
    await app.inject({ method: 'POST', url: '/vapi/webhooks', payload: { type: 'hang' } })
    await app.inject({ url: '/nowhere' })
    await app.inject({ url: '/recordings/x.y' })
    t.match(lines(), [
      {
        operation: 'vapi.assistant-request',
        client: id,
        call: 'call-1',
        status: 200,
        ms: Number,
        reqId: String,
      },
      { operation: 'vapi.status-update', client: id, call: 'call-1', status: 200, ms: Number },
      { operation: 'vapi.other', call: 'call-1', status: 200, ms: Number },
      { operation: 'vapi.webhook', status: 401, ms: Number },
      { operation: 'unknown', status: 404, ms: Number },
      { operation: 'recordings.open', status: 404, ms: Number },
    ])
    t.equal(lines().length, 6)

    await app.inject({ url: '/health' })
    await app.inject({ url: '/ready' })
    t.equal(lines().length, 6, 'probes say nothing while all is well')
  },
)

t.test('no secret, no words of a caller and no whole phone number is logged', async (t) => {
  const { addClient, app, call, crm, logs } = await build(t, { env: { LOG_LEVEL: 'trace' } })
  const planted = {
    token: TOKEN,
    crmToken: 'pit-planted-4711',
    transcript: 'planted-transcript',
    summary: 'planted-summary',
    details: 'planted-details',
    structured: 'planted-structured',
    caller: '2505550188',
    greeting: 'planted-greeting',
    argument: 'Planted Name',
  }
  const client = await addClient(
    {
      ghl_token: planted.crmToken,
      settings: { greeting: planted.greeting, business_details: planted.details, nonsense: 1 },
    },
    { token: planted.crmToken },
  )
  const caller = `+1${planted.caller}`
  const player = await call(client, { caller })
  await player.ring()
  await player.status('in-progress')
  await player.tool('book_appointment', { start_time: '2026-08-21T10:30', name: planted.argument })
  await player.tool('book_appointment', { start_time: 'rubbish', name: planted.argument })
  // Failures write more than successes do.
  crm.fault({ kind: { type: 'status', status: 429, body: { message: planted.summary } }, times: 2 })
  await player.status('ended')
  await player.report({
    transcript: planted.transcript,
    summary: planted.summary,
    structuredData: { note: planted.structured },
  })
  const nobody = await call({ number: '+14155550199' }, { caller })
  await nobody.ring()
  await nobody.status('ringing')
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const post = (payload: string, change = {}) =>
    app.inject({ method: 'POST', url: '/vapi/webhooks', headers: { ...headers, ...change }, payload })
  await post(`{"message": {"type": "${planted.transcript}"`)
  await post(JSON.stringify({ message: { transcript: planted.transcript } }))
  await post('{}', { authorization: `Bearer wrong-${planted.crmToken}` })
  const location = crm.location(client.locationId)
  await eventually(() => location.contacts[0]?.notes.length, 'the note, after the failures')

  const written = JSON.stringify(logs)
  t.ok(logs.length > 8)
  for (const [name, secret] of Object.entries(planted)) t.notOk(written.includes(secret), name)
  for (const number of [client.number, '+14155550199']) t.notOk(written.includes(number), 'a called number')
})

t.test('of an error only what names it is printed', async (t) => {
  const cause = Object.assign(new TypeError('deeper'), { body: 'swordfish' })
  const error = Object.assign(new Error('outer', { cause }), {
    code: 'X1',
    query: 'swordfish',
    parameters: ['swordfish'],
  })
  const printed = printableError(error)
  t.match(printed, {
    type: 'Error',
    message: 'outer',
    code: 'X1',
    cause: { type: 'TypeError', message: 'deeper' },
  })
  t.notMatch(JSON.stringify(printed), 'swordfish')
  t.match(printableError({ message: 'spread', queue: 'q' }), { type: 'object', message: 'spread' })
  for (const thrown of [null, undefined, 'swordfish', { password: 'swordfish' }])
    t.notMatch(JSON.stringify(printableError(thrown)), 'swordfish')
})
