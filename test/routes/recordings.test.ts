import { randomUUID } from 'node:crypto'
import t from 'tap'
import { request } from 'undici'
import { asOwner, build, type Harness } from '../helper.ts'

/** Ids of calls, as VAPI makes them. */
const RECORDED = Array.from({ length: 6 }, () => randomUUID() as string)

/** A call with a recording, and the path of its lasting link. */
async function recorded({ app, addClient, webhook, vapi }: Harness, callId: string) {
  const { number } = await addClient()
  vapi.addCall({ id: callId })
  await webhook({
    message: {
      type: 'end-of-call-report',
      call: { id: callId },
      phoneNumber: { number },
      artifact: { recordingUrl: 'https://storage.vapi.ai/x.wav' },
    },
  })
  const [row] = await asOwner(app)<
    { id: string }[]
  >`select id from voice_sessions where vapi_call_id = ${callId}`
  const link = app.services.recordings.linkOf(row?.id ?? '')
  return new URL(link ?? '').pathname
}

t.test('the link of a recording leads to a fresh address at each visit', async (t) => {
  const harness = await build(t)
  const path = await recorded(harness, RECORDED[1] ?? '')
  const seen = new Set<string>()
  for (let visit = 0; visit < 3; visit++) {
    const answer = await harness.app.inject({ url: path })
    t.equal(answer.statusCode, 302)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.equal(answer.headers['referrer-policy'], 'no-referrer')
    const address = String(answer.headers.location)
    seen.add(address)
    const audio = await request(address)
    t.equal(audio.statusCode, 200)
    t.equal(audio.headers['content-type'], 'audio/wav')
    await audio.body.dump()
  }
  t.equal(seen.size, 3)
  t.equal(path.includes(RECORDED[1] ?? ''), false, 'and does not tell the call')
})

t.test('a link that is not ours opens nothing', async (t) => {
  const harness = await build(t)
  const { app, vapi } = harness
  const mine = await recorded(harness, RECORDED[2] ?? '')
  const other = await recorded(harness, RECORDED[3] ?? '')
  const [id = '', signature = ''] = mine.replace('/recordings/', '').split('.')
  const [otherId = ''] = other.replace('/recordings/', '').split('.')
  const flip = (text: string, at: number) =>
    text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
  const forged = [
    id,
    `${id}.`,
    `.${signature}`,
    '.',
    `${otherId}.${signature}`,
    `${id.toUpperCase()}.${signature}`,
    `${id}.${signature.slice(0, -1)}`,
    `${id}.${signature}A`,
    `${id}.${signature}=`,
    `${id}.${signature}.x`,
    `${id}.${signature}.`,
    `${id}.${signature}%00`,
    `${id}.${signature}/`,
    ...Array.from(signature, (_, at) => `${id}.${flip(signature, at)}`),
    ...[0, 1, 35].map((at) => `${flip(id, at)}.${signature}`),
    'x'.repeat(90),
    'x'.repeat(99),
    '..%2f..%2fready',
    "'%20or%20true--",
  ]
  const asked = vapi.exchanges.length
  for (const link of forged) {
    const answer = await app.inject({ url: `/recordings/${link}` })
    t.equal(answer.statusCode, 404, link)
    t.notOk(answer.headers.location)
  }
  t.equal(vapi.exchanges.length, asked, 'and VAPI is not even asked')
})

t.test('a recording that is gone, and a VAPI that is away', async (t) => {
  const harness = await build(t)
  const { app, vapi } = harness
  const path = await recorded(harness, RECORDED[4] ?? '')
  const visit = () => app.inject({ url: path })

  vapi.fault({ kind: { type: 'status', status: 404, body: { message: 'Recording not found.' } }, times: 1 })
  t.match(await visit(), { statusCode: 404 })
  for (const kind of [
    { type: 'status', status: 500, body: { message: 'planted-text' } },
    { type: 'status', status: 401 },
    { type: 'status', status: 200, body: {} },
    { type: 'drop-before' },
    { type: 'garbage' },
  ] as const) {
    vapi.fault({ kind, times: 1 })
    const answer = await visit()
    t.equal(answer.statusCode, 502, JSON.stringify(kind))
    t.match(answer.json(), { code: 'VAPI_UNAVAILABLE' })
    t.notMatch(answer.body, 'planted-text')
  }
  t.equal((await visit()).statusCode, 302, 'and when it is back, so is the recording')

  await vapi.close()
  t.equal((await visit()).statusCode, 502)
})

t.test('without a recording or without a key there is nothing to lead to', async (t) => {
  const harness = await build(t)
  const { app, addClient, webhook } = harness
  const { number } = await addClient()
  await webhook({ message: { type: 'hang', call: { id: 'unrecorded' }, phoneNumber: { number } } })
  const [row] = await asOwner(app)<
    { id: string }[]
  >`select id from voice_sessions where vapi_call_id = 'unrecorded'`
  const link = app.services.recordings.linkOf(row?.id ?? '')
  t.equal((await app.inject({ url: new URL(link ?? '').pathname })).statusCode, 404)

  const path = await recorded(harness, RECORDED[5] ?? '')
  await harness.close()
  const keyless = await build(t, { env: { VAPI_API_KEY: undefined } })
  t.equal(keyless.app.services.recordings.linkOf(row?.id ?? ''), undefined)
  t.equal(
    (await keyless.app.inject({ url: path })).statusCode,
    502,
    'links written before the key was taken away',
  )
})
