import type { Vapi } from '@vapi-ai/server-sdk'
import { MAX_DURATION_SECONDS } from '../../schemas/client.ts'
import type { Client } from '../clients/client.ts'
import { cutText } from '../text.ts'
import { openingOf } from './opening.ts'
import { PHRASES } from './phrases.ts'
import { literal, sayCaller, sayNow, systemPrompt, type Told } from './prompt.ts'
import { callTools } from './transfer.ts'

/** VAPI refuses a longer name, and with it the assistant and the call. */
const NAME_MAX = 40
/** VAPI's limit for what is spoken at a stroke; a greeting this long is a mistake anyway. */
const FIRST_MESSAGE_MAX = 1_000
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
  /** Whether VAPI can be made to delete a call. Without that, callers who are asked are not recorded there at all. */
  canForget?: boolean
  /** Names the VAPI credential whose secret VAPI sends to us. The secret itself never stands in an assistant. */
  credentialId: string | undefined
  /**
   * Each gives a client's assistant some of its tools; `hold` is said while one works, and a tool with a server of
   * its own has `headers` sent there.
   */
  toolsOf: readonly ((
    client: Client,
    hold: string,
    headers: Readonly<Record<string, string>>,
  ) => Vapi.OpenAiModelToolsItem[])[]
}

export interface Ring {
  /** E.164; undefined where it is withheld. */
  caller: string | undefined
  now: Temporal.Instant
  /** Says whose call it is in whatever VAPI sends of it; undefined: nothing does. */
  callToken?: string | undefined
}

/** All that differs from one call of a client to the next, as it stands in the assistant. */
export type CallWords = Told & { callToken: string | undefined }

/** Client and call → the transient assistant, valid against VAPI's own schema. Pure. */
export function createAssistantBuilder(options: BuilderOptions) {
  const server: Vapi.Server = {
    url: `${options.publicUrl}/vapi/webhooks`,
    timeoutSeconds: WEBHOOK_TIMEOUT_SECONDS,
    ...(options.credentialId && { credentialId: options.credentialId }),
    backoffPlan: BACKOFF_PLAN,
  }

  /**
   * Who is asked is recorded from the start: VAPI's own plan for consent is for enterprise customers only, ends the
   * call at a no, and cannot start a recording later. Of one who does not agree, VAPI's copy is deleted after the call.
   */
  function isRecorded({ settings: { recording } }: Client): boolean {
    return recording === 'ask' ? options.canForget === true : recording !== 'off'
  }

  return {
    /** Where VAPI sends what it has to say about a call; of a client's number as well as of an assistant. */
    server,

    forClient(client: Client, ring: Ring): Vapi.CreateAssistantDto {
      return this.fromWords(client, this.wordsOf(client, ring))
    },

    wordsOf(client: Client, { caller, now, callToken }: Ring): CallWords {
      return { now: client.timezone && sayNow(now, client.timezone), caller: sayCaller(caller), callToken }
    },

    /** The same from words alone: each is put in as it is, so that the rest need be made once only. */
    fromWords(client: Client, words: CallWords): Vapi.CreateAssistantDto {
      const { settings } = client
      const language = settings.language ?? 'en'
      const { callToken } = words
      const headers: Record<string, string> = callToken === undefined ? {} : { 'x-call-token': callToken }
      const tools = options.toolsOf.flatMap((make) => make(client, PHRASES[language].hold, headers))
      return {
        // A single letter can be longer than that, with enough accents on it.
        name: cutText(client.name, NAME_MAX) || 'Receptionist',
        firstMessage: cutText(literal(openingOf(client)), FIRST_MESSAGE_MAX),
        model: {
          ...(settings.model ?? DEFAULT_MODEL),
          messages: [{ role: 'system', content: systemPrompt(client, words) }],
          tools: [...tools, ...callTools(client)],
        } as Vapi.CreateAssistantDtoModel,
        voice: settings.voice ?? DEFAULT_VOICE,
        transcriber: { provider: 'deepgram', model: 'nova-3', language },
        server: callToken === undefined ? server : { ...server, headers },
        serverMessages: SERVER_MESSAGES,
        endCallPhrases: PHRASES[language].endCall,
        maxDurationSeconds: settings.max_duration_seconds ?? MAX_DURATION_SECONDS,
        analysisPlan: {
          summaryPlan: { enabled: true, timeoutSeconds: 15 },
          structuredDataPlan: { enabled: true, schema: CALL_FACTS, timeoutSeconds: 15 },
        },
        artifactPlan: { recordingEnabled: isRecorded(client) },
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
