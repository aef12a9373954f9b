import type { Vapi } from '@vapi-ai/server-sdk'
import type { Client } from '../clients/client.ts'
import { cutText, singleLine } from '../text.ts'
import { PHRASES, spoken } from './phrases.ts'
import { literal, systemPrompt } from './prompt.ts'
import { callTools } from './transfer.ts'

/** VAPI refuses a longer name, and with it the assistant and the call. */
const NAME_MAX = 40
/** VAPI's limit for what is spoken at a stroke; a greeting this long is a mistake anyway. */
const FIRST_MESSAGE_MAX = 1_000
const MAX_DURATION_SECONDS = 1_800
/** VAPI gives up a webhook after this; our tools take 10 s at most. */
const WEBHOOK_TIMEOUT_SECONDS = 20

/**
 * Without a plan VAPI never repeats a report that was not taken. Doubling from 1 s, ten tries reach over
 * 17 minutes of our absence. The SDK's generated type has objects where the API takes a word.
 */
const BACKOFF_PLAN = {
  type: 'exponential',
  maxRetries: 10,
  baseDelaySeconds: 1,
} as unknown as Vapi.BackoffPlan

/** Only what is used: VAPI's default list holds messages that come several times a second. */
const SERVER_MESSAGES: Vapi.CreateAssistantDtoServerMessagesItem[] = [
  'status-update',
  'end-of-call-report',
  'tool-calls',
  'transfer-destination-request',
  'transfer-update',
  'hang',
]

const DEFAULT_VOICE = { provider: 'vapi', voiceId: 'Elliot' } as const
const DEFAULT_MODEL = { provider: 'openai', model: 'gpt-4.1', temperature: 0.3 } as const

/** What is extracted from the conversation when it has ended. */
const CALL_FACTS: Vapi.JsonSchema = {
  type: 'object',
  properties: {
    caller_name: { type: 'string', description: "The caller's full name, if it was said" },
    reason: { type: 'string', description: 'Why the caller called, in one sentence' },
    outcome: { type: 'string', description: 'What was agreed or done, in one sentence' },
    callback_wanted: { type: 'boolean', description: 'Whether the caller expects to be called back' },
  },
}

export interface BuilderOptions {
  publicUrl: string
  /** Names the VAPI credential whose secret VAPI sends to us. The secret itself never stands in an assistant. */
  credentialId: string | undefined
  /** Each gives a client's assistant some of its tools; `hold` is said while one works. */
  toolsOf: readonly ((client: Client, hold: string) => Vapi.OpenAiModelToolsItem[])[]
}

export interface Ring {
  /** E.164; undefined where it is withheld. */
  caller: string | undefined
  now: Temporal.Instant
}

/** Client and call → the transient assistant, valid against VAPI's own schema. Pure. */
export function createAssistantBuilder(options: BuilderOptions) {
  const server: Vapi.Server = {
    url: `${options.publicUrl}/vapi/webhooks`,
    timeoutSeconds: WEBHOOK_TIMEOUT_SECONDS,
    ...(options.credentialId && { credentialId: options.credentialId }),
    backoffPlan: BACKOFF_PLAN,
  }

  return {
    forClient(client: Client, { caller, now }: Ring): Vapi.CreateAssistantDto {
      const { settings } = client
      const language = settings.language ?? 'en'
      const recorded = settings.recording !== 'off'
      const tools = options.toolsOf.flatMap((make) => make(client, PHRASES[language].hold))
      return {
        // A single letter can be longer than that, with enough accents on it.
        name: cutText(client.name, NAME_MAX) || 'Receptionist',
        firstMessage: firstMessage(client, recorded),
        model: {
          ...(settings.model ?? DEFAULT_MODEL),
          messages: [{ role: 'system', content: systemPrompt(client, caller, now) }],
          tools: [...tools, ...callTools(client)],
        } as Vapi.CreateAssistantDtoModel,
        voice: settings.voice ?? DEFAULT_VOICE,
        transcriber: { provider: 'deepgram', model: 'nova-3', language },
        server,
        serverMessages: SERVER_MESSAGES,
        endCallPhrases: PHRASES[language].endCall,
        maxDurationSeconds: settings.max_duration_seconds ?? MAX_DURATION_SECONDS,
        analysisPlan: {
          summaryPlan: { enabled: true, timeoutSeconds: 15 },
          structuredDataPlan: { enabled: true, schema: CALL_FACTS, timeoutSeconds: 15 },
        },
        artifactPlan: { recordingEnabled: recorded },
        metadata: { clientId: client.id },
      }
    },

    /** Who answers when it is not known for whom: no tools, and nothing of any client. */
    generic(): Vapi.CreateAssistantDto {
      return {
        name: 'Receptionist',
        firstMessage: PHRASES.en.greeting(''),
        model: {
          ...DEFAULT_MODEL,
          messages: [
            {
              role: 'system',
              content:
                'You answer the phone of a business. Its details are not at hand right now, so you cannot look ' +
                'anything up, book or promise anything. Ask for name, number and what the call is about, repeat ' +
                'it, and say that somebody will call back. Be brief and friendly, and say goodbye.',
            },
          ],
        },
        voice: DEFAULT_VOICE,
        transcriber: { provider: 'deepgram', model: 'nova-3', language: 'en' },
        server,
        serverMessages: SERVER_MESSAGES,
        endCallPhrases: PHRASES.en.endCall,
        maxDurationSeconds: 600,
        analysisPlan: { summaryPlan: { enabled: true, timeoutSeconds: 15 } },
        artifactPlan: { recordingEnabled: false },
        metadata: {},
      }
    },
  }
}

export type AssistantBuilder = ReturnType<typeof createAssistantBuilder>

function firstMessage(client: Client, recorded: boolean): string {
  const phrases = PHRASES[client.settings.language ?? 'en']
  const notice = recorded ? `${phrases.notice} ` : ''
  const greeting = singleLine(client.settings.greeting ?? '') || phrases.greeting(spoken(client.name))
  return cutText(literal(notice + greeting), FIRST_MESSAGE_MAX)
}
