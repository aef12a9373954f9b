import { type Static, Type } from '@sinclair/typebox'
import type { Vapi } from '@vapi-ai/server-sdk'

/** Models a client may choose: fast enough to talk, and in VAPI's own lists, which it checks. */
export const MODELS = {
  openai: ['gpt-4.1', 'gpt-4.1-mini', 'gpt-4o', 'gpt-4o-mini', 'gpt-5.4', 'gpt-5.4-mini'],
  anthropic: ['claude-sonnet-4-5-20250929', 'claude-haiku-4-5-20251001'],
  google: ['gemini-2.5-flash', 'gemini-2.5-pro'],
} as const satisfies {
  openai: readonly Vapi.OpenAiModelModel[]
  anthropic: readonly Vapi.AnthropicModelModel[]
  google: readonly Vapi.GoogleModelModel[]
}

/** Languages that the transcriber and the prompt both know. */
export const LANGUAGES = [
  'en',
  'es',
  'fr',
  'de',
  'it',
  'pt',
  'nl',
] as const satisfies readonly Vapi.DeepgramTranscriberLanguage[]

const literals = <const T extends readonly string[]>(values: T) =>
  Type.Union(values.map((value) => Type.Literal(value as T[number])))

/**
 * ElevenLabs' voices by VAPI's names or by their own ids, which have 20 characters. VAPI takes any text here and
 * then fails the call.
 */
const ELEVENLABS_VOICE =
  '^(burt|marissa|andrea|sarah|phillip|steve|joseph|myra|paula|ryan|drew|paul|mrb|matilda|mark|[A-Za-z0-9]{20})$'

const text = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description })

/** E.164; the format is checked more strictly where a number is written. */
export const PhoneNumber = Type.String({
  pattern: '^\\+[1-9]\\d{6,14}$',
  description: 'E.164, such as +14155550100',
})

const provider = <const P extends keyof typeof MODELS>(name: P) =>
  Type.Object({
    provider: Type.Literal(name),
    model: literals(MODELS[name]),
    temperature: Type.Optional(Type.Number({ minimum: 0, maximum: 2 })),
  })

/** How long a call lasts at most where its client's settings do not say. */
export const MAX_DURATION_SECONDS = 1_800

/** Days for which what was said in a call is kept where its client's settings do not say. */
export const RETENTION_DAYS = 90
export const RETENTION_DAYS_MAX = 3_650

/** `clients.settings`: how this business's receptionist speaks and what it knows. Everything is optional. */
export const ClientSettings = Type.Partial(
  Type.Object(
    {
      greeting: text(1_000, 'The first sentence the receptionist says.'),
      business_details: text(8_000, 'What the receptionist should know: address, prices, parking, policies.'),
      services: Type.Array(text(200, 'A service'), {
        maxItems: 100,
        description: 'What can be booked or asked for.',
      }),
      hours: text(1_000, 'Opening hours in words.'),
      instructions: text(8_000, 'How the receptionist should behave beyond the usual.'),
      language: literals(LANGUAGES),
      voice: Type.Union([
        Type.Object({ provider: Type.Literal('vapi'), voiceId: text(100, 'Name of a VAPI voice') }),
        Type.Object({
          provider: Type.Literal('11labs'),
          voiceId: Type.String({ pattern: ELEVENLABS_VOICE, description: 'ElevenLabs voice, by name or id' }),
        }),
      ]),
      model: Type.Union([provider('openai'), provider('anthropic'), provider('google')]),
      transfer_number: PhoneNumber,
      sms_confirmation: text(
        480,
        'Sent to the caller after a booking; {business} and {time} are filled in. Without it nothing is sent.',
      ),
      recording: Type.Union([Type.Literal('off'), Type.Literal('announce'), Type.Literal('ask')], {
        description:
          'off: nothing is recorded. announce: the greeting says that an AI answers and the call is recorded. ask: the caller is asked first, and without a yes neither recording nor transcript nor summary is kept.',
      }),
      retention_days: Type.Integer({
        minimum: 1,
        maximum: RETENTION_DAYS_MAX,
        description:
          'Days after which what was said in a call is deleted: transcript, summary, link to the recording, what tools were told. Default: 90.',
      }),
      mcp_tools: Type.Object(
        {
          upstream: Type.Optional(
            Type.Boolean({
              description:
                "true: the assistant gets the CRM's own tools beside ours. false: they are not offered at /mcp either.",
            }),
          ),
          allow: Type.Optional(
            Type.Array(text(200, "A tool's name, or the beginning of names and *"), {
              maxItems: 200,
              description:
                "The CRM's tools that may be used. Default: those that only read, and contacts; nothing that deletes or reaches many people.",
            }),
          ),
          max_result_bytes: Type.Optional(
            Type.Integer({
              minimum: 1_024,
              maximum: 1_048_576,
              description: "Larger results of the CRM's tools are cut. Default: 32 KiB.",
            }),
          ),
        },
        { additionalProperties: false },
      ),
      max_duration_seconds: Type.Integer({ minimum: 60, maximum: 7_200 }),
    },
    { additionalProperties: false },
  ),
)
export type ClientSettings = Static<typeof ClientSettings>
