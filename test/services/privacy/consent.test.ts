import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { LANGUAGES } from '../../../schemas/client.ts'
import { PHRASES } from '../../../services/assistant/phrases.ts'
import { asOwner, build, eventually, type Harness, NOW, type TestClient } from '../../helper.ts'
import { assistantOf, withSettings } from '../assistant/clients.ts'
import { messagesOf, newCall, type TestCall } from '../calls/messages.ts'
import { rest, use } from '../tools/kit.ts'
import { newCaller, notesAt, synced, tablesWith, tellingReport, WORDS } from './kit.ts'

const sessionOf = async (h: Harness, { id }: TestCall) => {
  const [row] = await asOwner(h.app)`
    select consent, consent_recorded, transcript, recording_url, summary, context, reported_at
    from voice_sessions where vapi_call_id = ${id}`
  return row
}

const answer = (h: Harness, client: TestClient, call: TestCall, granted: boolean) =>
  use(h, client, 'record_consent', { granted }, { callId: call.id, caller: call.caller })

const asking = (h: Harness, settings: object = {}) =>
  h.addClient({ settings: { recording: 'ask', ...settings } })

t.test('who is asked is asked first, in every language, and answered through a tool', (t) => {
  for (const language of LANGUAGES) {
    const asked = assistantOf(withSettings({ language, recording: 'ask', greeting: 'Here is Bob.' }))
    t.equal(asked.firstMessage, PHRASES[language].ask)
    t.match(asked.firstMessage, /\?$/, 'the question comes last')
    const { messages, tools } = asked.model as { messages: { content: string }[]; tools: object[] }
    t.match(messages[0]?.content, /record_consent.*Here is Bob\./s)
    t.ok(messages[0]?.content.includes(PHRASES[language].ask))
    t.match(tools, { length: Number }, 'tools')
    t.match(JSON.stringify(tools), /"record_consent"/)
    for (const recording of ['off', 'announce']) {
      const other = assistantOf(withSettings({ language, recording }))
      t.notMatch(JSON.stringify(other), /record_consent/, recording)
    }
  }
  t.end()
})

t.test('VAPI records whom is asked only where its copy can be deleted again', async (t) => {
  for (const [key, recordingEnabled] of [
    ['a-key', true],
    [undefined, false],
  ] as const) {
    const h = await build(t, { env: { VAPI_API_KEY: key } })
    const client = await asking(h)
    const response = await h.webhook(
      messagesOf(newCall(client.number)).message('assistant-request', undefined),
    )
    t.match(response.json(), { assistant: { artifactPlan: { recordingEnabled } } })
    await h.close()
  }
})

t.test('after a yes a call is kept as any other, with what was asked and when', async (t) => {
  const h = await build(t)
  const client = await asking(h, { language: 'de' })
  const call = newCall(client.number, newCaller())
  await h.webhook(messagesOf(call).status('in-progress', -90))
  t.match(await sessionOf(h, call), {
    consent: { kind: 'ask', wording: PHRASES.de.ask, at: NOW.subtract({ seconds: 90 }).toString() },
    consent_recorded: false,
  })
  t.match(await answer(h, client, call, true), { result: /agrees/ })
  await h.webhook(messagesOf(call).report(0, tellingReport()))
  t.match(await sessionOf(h, call), {
    consent: { kind: 'ask', wording: PHRASES.de.ask, at: NOW.toString(), granted: true },
    consent_recorded: true,
    ...{ transcript: /porcupine/, summary: /porcupine/, recording_url: /porcupine/ },
  })
  await synced(h, call)
  t.match(notesAt(h, client), [/Summary: .*porcupine.*\nRecording: /s])
})

t.test('without a yes nothing that was said is kept, sent to the CRM, or left at VAPI', async (t) => {
  const h = await build(t)
  for (const said of ['no', 'nothing', 'no, after a yes']) {
    const client = await asking(h)
    const call = newCall(client.number, newCaller())
    const words = `porcupine ${call.id}`
    h.vapi.addCall({ id: call.id })
    await h.webhook(messagesOf(call).status('in-progress', -90))
    if (said === 'no, after a yes') await answer(h, client, call, true)
    if (said !== 'nothing')
      t.match(await answer(h, client, call, false), { result: /Nothing of what is said/ })
    await use(
      h,
      client,
      'take_message',
      { message: 'Bring a tap.' },
      { callId: call.id, caller: call.caller },
    )
    await h.webhook(messagesOf(call).report(0, tellingReport(words)))
    t.match(await sessionOf(h, call), {
      ...{ consent_recorded: false, transcript: null, summary: null, recording_url: null },
      consent: { kind: 'ask', wording: PHRASES.en.ask },
    })
    await synced(h, call)
    const [note] = notesAt(h, client)
    t.match(note, /Outcome: Message taken\..*did not agree to a recording.*/s, said)
    t.match(note, /Message: Bring a tap\./)
    t.notMatch(note, /porcupine|Quillfeather|Recording:/)
    t.strictSame(await tablesWith(h, words), [], said)
    await eventually(() => h.vapi.calls.length === 0, "the end of VAPI's copy", 60)
  }
})

t.test('a no that comes after everything takes back what is there', async (t) => {
  const h = await build(t)
  const client = await asking(h)
  const call = newCall(client.number, newCaller())
  const words = `porcupine ${call.id}`
  h.vapi.addCall({ id: call.id })
  await answer(h, client, call, true)
  await h.webhook(messagesOf(call).report(0, tellingReport(words)))
  await synced(h, call)
  t.match(notesAt(h, client), [/porcupine/])
  await answer(h, client, call, false)
  t.match(await sessionOf(h, call), { transcript: null, summary: null, recording_url: null })
  t.strictSame(await tablesWith(h, words), [])
  await eventually(() => !/porcupine/.test(String(notesAt(h, client))), 'the note to be written anew', 60)
  await eventually(() => h.vapi.calls.length === 0, "the end of VAPI's copy", 60)
})

t.test(
  'in whatever order it is told: kept is what was reported after a yes, and nothing if there is a no',
  async (t) => {
    const h = await build(t)
    const client = await asking(h)
    const event = fc.constantFrom('started', 'yes', 'no', 'report', 'ended')
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 6 }), async (events) => {
        const call = newCall(client.number, newCaller())
        const tell = messagesOf(call)
        for (const each of events) {
          if (each === 'started') await h.webhook(tell.status('in-progress', -90))
          else if (each === 'ended') await h.webhook(tell.status('ended', 0))
          else if (each === 'report') await h.webhook(tell.report(0, tellingReport()))
          else await answer(h, client, call, each === 'yes')
        }
        const kept =
          !events.includes('no') &&
          events.indexOf('yes') >= 0 &&
          events.lastIndexOf('report') > events.indexOf('yes')
        const row = await sessionOf(h, call)
        const events2 = await asOwner(h.app)`
        select from call_events where vapi_call_id = ${call.id} and payload ? 'structuredData'`
        const held = [row?.transcript, row?.summary, row?.recording_url, row?.context.structuredData].filter(
          Boolean,
        )
        return (
          held.length === (kept ? 4 : 0) &&
          events2.length === (kept ? 1 : 0) &&
          row?.consent_recorded === (events.includes('yes') && !events.includes('no'))
        )
      }),
      { numRuns: 40 },
    )
  },
)

t.test('where it is announced, that is kept; where nothing is recorded, nothing', async (t) => {
  const h = await build(t)
  for (const [recording, consent] of [
    ['announce', { kind: 'announce', wording: PHRASES.fr.notice, at: NOW.toString() }],
    ['off', null],
  ] as const) {
    const client = await h.addClient({ settings: { recording, language: 'fr' } })
    const call = newCall(client.number, newCaller())
    await h.webhook(messagesOf(call).report(0, { artifact: { transcript: WORDS.said } }))
    t.strictSame((await sessionOf(h, call))?.consent, consent)
    t.match(await sessionOf(h, call), { consent_recorded: false, transcript: WORDS.said })
  }
})

t.test('only the assistant of a call answers for its caller', async (t) => {
  const h = await build(t)
  const [client, other] = [await asking(h), await asking(h)]
  t.match(await rest(h, 'record_consent', { client_id: client.id, granted: true }), { status: 400 })
  const call = newCall(client.number, newCaller())
  await h.webhook(messagesOf(call).status('in-progress', -90))
  await use(h, other, 'record_consent', { granted: true }, { callId: call.id, caller: call.caller })
  t.match(await sessionOf(h, call), { consent_recorded: false })
  t.match(await use(h, client, 'record_consent', { granted: 'perhaps' }, { callId: call.id }), {
    error: String,
  })
  t.match(await sessionOf(h, { ...call, id: randomUUID() }), undefined)
})
