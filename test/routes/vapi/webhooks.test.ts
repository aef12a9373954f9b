import t from 'tap'
import { asOwner, build, type Harness, TOKEN } from '../../helper.ts'

/** How many messages of each type were counted, and how many properties nobody knows. */
async function counted({ app }: Harness) {
  const types: Record<string, number> = {}
  let unknown = 0
  for (const metric of await app.metrics.registry.getMetricsAsJSON())
    for (const { labels, value } of metric.values) {
      if (metric.name === 'vapi_messages_total') types[String(labels.type)] = value
      if (metric.name === 'vapi_unknown_properties_total') unknown = value
    }
  return { types, unknown }
}

t.test('bodies come wrapped and bare', async (t) => {
  const { webhook, addClient } = await build(t)
  const { number } = await addClient({ client_name: 'Wrapped and Bare' })
  const message = { type: 'assistant-request', phoneNumber: { number } }
  for (const body of [
    { message },
    message,
    { message, extra: 1 },
    { ...message, message: { role: 'user' } },
  ]) {
    const answer = await webhook(body)
    t.match([answer.statusCode, answer.json()], [200, { assistant: { name: 'Wrapped and Bare' } }])
  }
})

t.test('what VAPI adds without notice is accepted and counted', async (t) => {
  const harness = await build(t)
  const { webhook } = harness
  for (const type of [
    'speech-update',
    'conversation-update',
    'assistant.started',
    'transcript[transcriptType="final"]',
    'constructor',
  ])
    t.match(await webhook({ message: { type } }), { statusCode: 200 }, type)
  t.strictSame(await counted(harness), { types: { other: 5 }, unknown: 0 })
  await webhook({ message: { type: 'hang', novelty: 1, another: {}, timestamp: 1 } })
  await webhook({ message: { type: 'brand-new', third: 1 } })
  t.strictSame(await counted(harness), { types: { other: 6, hang: 1 }, unknown: 3 })
  t.match((await webhook({ message: { type: 'hang' } })).json(), { received: true })
})

t.test('not JSON, or no type, is refused with one clear line', async (t) => {
  const { webhook } = await build(t)
  const refused: [unknown, RegExp][] = [
    ['{', /^Body is not valid JSON/],
    ['hello', /^Body is not valid JSON/],
    ['', /^Body cannot be empty/],
    ['null', /^body must be object$/],
    ['[]', /^body must be object$/],
    ['[{"message":{"type":"hang"}}]', /^body must be object$/],
    ['"hang"', /^body must be object$/],
    ['5', /^body must be object$/],
    [{}, /^message\.type is missing or not text$/],
    [{ message: {} }, /^message\.type/],
    [{ message: null }, /^message\.type/],
    [{ message: [] }, /^message\.type/],
    [{ message: 'hang' }, /^message\.type/],
    [{ message: { type: 5 } }, /^message\.type/],
    [{ message: { type: null } }, /^message\.type/],
    [{ message: { type: '' } }, /^message\.type/],
    [{ message: { type: ['hang'] } }, /^message\.type/],
    [{ type: {} }, /^message\.type/],
  ]
  for (const [body, line] of refused) {
    const answer = await webhook(body)
    const name = JSON.stringify(body)
    const problem = answer.json() as { title: string; detail?: string }
    t.equal(answer.statusCode, 400, name)
    t.match(problem.detail ?? problem.title, line, name)
    t.match(answer.headers['content-type'], 'application/problem+json')
    t.notMatch(problem.detail ?? problem.title, /\n/)
  }
})

t.test('the body is JSON whatever its header calls it', async (t) => {
  const { app } = await build(t)
  for (const type of [
    'application/json; charset=utf-8',
    'text/plain',
    'application/vnd.vapi+json',
    undefined,
  ]) {
    const answer = await app.inject({
      method: 'POST',
      url: '/vapi/webhooks',
      headers: { authorization: `Bearer ${TOKEN}`, ...(type && { 'content-type': type }) },
      payload: Buffer.from('{"message":{"type":"assistant-request"}}'),
    })
    t.match([answer.statusCode, answer.json()], [200, { assistant: {} }], String(type))
  }
  const invalid = Buffer.concat([
    Buffer.from('{"message":{"type":"assistant-request","x":"'),
    Buffer.from([0xff, 0xc0]),
    Buffer.from('"}}'),
  ])
  const answer = await app.inject({
    method: 'POST',
    url: '/vapi/webhooks',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    payload: invalid,
  })
  t.equal(answer.statusCode, 200, 'bytes that are not UTF-8')
})

t.test('a body that reaches for prototypes is read without them', async (t) => {
  const { webhook, app, addClient } = await build(t)
  const { id, number } = await addClient()
  const phone = `"phoneNumber":{"number":"${number}"}`
  const bodies = [
    `{"__proto__":{"polluted":1},"message":{"type":"assistant-request",${phone}}}`,
    `{"message":{"__proto__":{"polluted":1},"type":"assistant-request",${phone}}}`,
    `{"constructor":{"prototype":{"polluted":1}},"message":{"type":"assistant-request",${phone}}}`,
  ]
  for (const body of bodies)
    t.match([200, (await webhook(body)).json()], [200, { assistant: { metadata: { clientId: id } } }], body)
  t.equal((await webhook('{"__proto__":{"type":"hang"}}')).statusCode, 400)
  t.equal(({} as { polluted?: unknown }).polluted, undefined)

  const report = `{"message":{"type":"end-of-call-report","call":{"id":"proto-1"},${phone},
    "analysis":{"summary":"kept","structuredData":{"__proto__":{"polluted":1},"\\u0000__proto__":{"polluted":1},"ok":true}}}}`
  t.equal((await webhook(report)).statusCode, 200)
  const [row] = await asOwner(app)`select summary, context from voice_sessions where vapi_call_id = 'proto-1'`
  t.match(row, { summary: 'kept', context: { structuredData: { ok: true } } })
})

t.test('reports are large', async (t) => {
  const { webhook, app, addClient } = await build(t)
  const { number } = await addClient()
  const MiB = 1024 * 1024
  const report = (id: string, bytes: number) =>
    JSON.stringify({
      message: {
        type: 'end-of-call-report',
        call: { id },
        phoneNumber: { number },
        artifact: { transcript: 'Hello. '.repeat(20_000), messages: 'x'.repeat(bytes - 150_000) },
      },
    })
  for (const megabytes of [5, 15])
    t.equal(
      (await webhook(report(`large-${megabytes}`, megabytes * MiB))).statusCode,
      200,
      `${megabytes} MiB`,
    )
  const [{ n } = { n: 0 }] = await asOwner(app)<{ n: number }[]>`
    select count(*)::int as n from voice_sessions where vapi_call_id like 'large-%' and length(transcript) = 140000`
  t.equal(n, 2)
  const refused = await webhook(report('too-large', 16 * MiB + 200_000))
  t.equal(refused.statusCode, 413)
  t.match(refused.json(), { status: 413, title: String })
})

t.test('only this method and this address', async (t) => {
  const { app } = await build(t)
  const headers = { authorization: `Bearer ${TOKEN}` }
  t.equal((await app.inject({ url: '/vapi/webhooks', headers })).statusCode, 404)
})
