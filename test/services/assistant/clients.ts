import { LANGUAGES, MODELS } from '../../../schemas/client.ts'
import { type AssistantBuilder, createAssistantBuilder } from '../../../services/assistant/builder.ts'
import { createReception } from '../../../services/assistant/reception.ts'
import { type Client, type ClientRow, toClient } from '../../../services/clients/client.ts'
import { vapiToolsOf } from '../../../services/tools/catalogue.ts'
import { keepWebhook } from '../../contract.ts'

/** What must never stand in an assistant: VAPI sends it back and forth with every message. */
export const CRM_TOKEN = 'pit-5ecret-of-the-crm'
export const ID = 'c0ffee00-1111-4222-8333-444444444444'
/** Friday, 2026-08-21, 8:00 in Vancouver. */
export const NOW = Temporal.Instant.from('2026-08-21T15:00:00Z')

export const row = (change: Partial<ClientRow> = {}): ClientRow => ({
  id: ID,
  client_name: 'Riverside Plumbing',
  twilio_number: '+17787450185',
  ghl_token: CRM_TOKEN,
  location_id: 'LocationOfTheClient1',
  calendar_id: 'CalendarOfTheClient1',
  timezone: 'America/Vancouver',
  settings: {},
  status: 'active',
  ...change,
})

export const client = (change: Partial<ClientRow> = {}): Client => toClient(row(change))
export const withSettings = (settings: unknown): Client => client({ settings })

export const builder = createAssistantBuilder({
  publicUrl: 'https://agent.example.com',
  credentialId: 'cred_abc123',
  toolsOf: [vapiToolsOf],
})

/** What VAPI is answered: an assistant to talk, a number to transfer to, or one sentence to say. */
type Answer =
  | { assistant: ReturnType<AssistantBuilder['forClient']> }
  | { destination: object }
  | { error: string }

/** Who answers for this client, and what was said in the log; null: the caller's number is withheld. */
export function answer(of: Client | undefined, caller: string | null = '+12505550188', now = NOW) {
  const log: { level: string; facts: object; message: string }[] = []
  const write = (level: string) => (facts: object, message: string) =>
    void log.push({ level, facts, message })
  const reception = createReception({
    journal: { answered() {} },
    builder,
    clock: () => now,
    log: { error: write('error'), warn: write('warn') },
  })
  const resolution = of
    ? ({ client: of, source: 'load' } as const)
    : ({ client: undefined, reason: 'unknown' } as const)
  const given: Answer = JSON.parse(String(reception.answer(resolution, { caller: caller ?? undefined })))
  keepWebhook({ message: { type: 'assistant-request' } }, 200, given)
  return { answer: given, log }
}

/** The assistant that talks for this client. */
export function assistantOf(of: Client | undefined, caller?: string | null, now?: Temporal.Instant) {
  const given = answer(of, caller, now).answer
  if (!('assistant' in given)) throw new Error(`no assistant: ${JSON.stringify(given)}`)
  return given.assistant
}

/** What the language model is told. */
export function promptOf(of: Client, caller?: string | null, now?: Temporal.Instant): string {
  const { messages } = assistantOf(of, caller, now).model as { messages: { content: string }[] }
  return messages[0]?.content ?? ''
}

export const toolNames = (assistant: object): string[] => {
  const { model } = assistant as { model: { tools?: { function?: { name: string } }[] } }
  return (model.tools ?? []).flatMap((tool) => tool.function?.name ?? [])
}

/** Businesses as they come, and rows that nobody should have written. */
export const ODD: Record<string, Client> = {
  ordinary: client(),
  'a name of 60 characters': client({ client_name: 'x'.repeat(60) }),
  'a name of 5000 characters': client({ client_name: 'Plumbing '.repeat(555) }),
  'a name of emoji': client({ client_name: '👨‍👩‍👧‍👦🇨🇦'.repeat(20) }),
  'a name of one letter with 100 accents': client({ client_name: `e${'\u0301'.repeat(100)}` }),
  'a right-to-left name': client({
    client_name: 'سباكة النهر للأعمال المنزلية والتجارية في المدينة القديمة',
  }),
  'an empty name': client({ client_name: ' ' }),
  'no name': client({ client_name: null }),
  'no calendar': client({ calendar_id: null }),
  'a bad zone': client({ timezone: 'Mars/Olympus' }),
  'no zone': client({ timezone: null }),
  'a zone with a half-hour offset': client({ timezone: 'Australia/Adelaide' }),
  'braces everywhere': client({
    client_name: '{{customer.number}} {% raw %}',
    settings: {
      greeting: '{'.repeat(1_000),
      business_details: '{{{{% if %}',
      services: ['{{ now }}'],
      hours: '{%%}',
      instructions: '{{',
    },
  }),
  'quotes and line breaks': withSettings({
    greeting: 'Hi,\n\n"this" is\u2028\\Bob\\ & <b>Ann</b>',
    business_details: 'Line one\r\nLine "two"\t\\n \u202eright to left',
  }),
  'the longest settings': withSettings({
    greeting: '😀'.repeat(500),
    business_details: 'd'.repeat(8_000),
    services: Array.from({ length: 100 }, (_, n) => `${n} ${'s'.repeat(190)}`),
    hours: 'h'.repeat(1_000),
    instructions: 'i'.repeat(8_000),
    max_duration_seconds: 7_200,
  }),
  'not recorded': withSettings({ recording: 'off' }),
  'a named voice': withSettings({ voice: { provider: '11labs', voiceId: 'paula' } }),
  'a voice by id': withSettings({ voice: { provider: '11labs', voiceId: '21m00Tcm4TlvDq8ikWAM' } }),
  'a voice that does not exist': withSettings({ voice: { provider: '11labs', voiceId: 'Nobody' } }),
  'a voice of a strange provider': withSettings({ voice: { provider: 'acme', voiceId: 'x' } }),
  'a model that does not exist': withSettings({ model: { provider: 'openai', model: 'gpt-99' } }),
  'settings of wrong types': withSettings({
    greeting: 5,
    services: 'none',
    language: 'tlh',
    voice: 'Elliot',
    max_duration_seconds: 1e9,
    transfer_number: '911',
    recording: true,
    unheard_of: {},
  }),
  'settings that are text': withSettings('greeting: hello'),
  'settings that are a list': withSettings([{ greeting: 'hello' }]),
  'no settings': withSettings(null),
  'a blank greeting': withSettings({ greeting: '  \n ' }),
  paused: client({ status: 'paused' }),
  'paused, with a number': client({ status: 'paused', settings: { transfer_number: '+14155550100' } }),
  'paused, with its own number': client({ status: 'paused', settings: { transfer_number: '+17787450185' } }),
  'paused, with a number that is none': client({ status: 'paused', settings: { transfer_number: '+1999' } }),
  'paused, with a long name and braces': client({ status: 'inactive', client_name: '{{x}}'.repeat(1_000) }),
  ...Object.fromEntries(
    LANGUAGES.flatMap((language) => [
      [`speaking ${language}`, withSettings({ language })],
      [`closed in ${language}`, client({ status: 'paused', settings: { language } })],
      [`unrecorded in ${language}`, withSettings({ language, recording: 'off' })],
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(MODELS).flatMap(([provider, models]) =>
      models.map((model) => [
        `thinking with ${model}`,
        withSettings({ model: { provider, model, temperature: 1 } }),
      ]),
    ),
  ),
}
