import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'

export interface PlayerOptions {
  /** The server URL of the phone number, to which the assistant-request goes. */
  webhookUrl: string
  /** Where to really send what the assistant wants sent to its own server's address. */
  serverUrl?: string
  /** The secret of VAPI's credential for it; undefined: none is sent. */
  token?: string | undefined
  called: string
  /** Undefined: a withheld number. */
  caller?: string | undefined
  callId?: string
  now?: () => Temporal.Instant
  /** Told of every message and its answer. */
  onExchange?: (request: unknown, played: Played) => void
}

export interface Played {
  status: number
  body: unknown
  ms: number
}

type Json = Record<string, unknown>

interface BackoffPlan {
  type: 'fixed' | 'exponential'
  maxRetries: number
  baseDelaySeconds: number
}

/** Longer than the call could last: the pauses of a backoff plan are shortened by this when it is played. */
const RETRY_HURRY = 10

/**
 * Plays VAPI's part of one phone call over HTTP: the messages, in the shapes VAPI sends, to the addresses
 * VAPI would send them to, repeated by the backoff plan of the assistant it was given.
 */
export function createPlayer(options: PlayerOptions) {
  const now = options.now ?? (() => Temporal.Now.instant())
  const id = options.callId ?? randomUUID()
  const startedAt = now()
  let assistant: Json | undefined

  function envelope(type: string, fields: Json) {
    const sentAt = now()
    const customer = options.caller ? { number: options.caller } : undefined
    return {
      message: {
        timestamp: sentAt.epochMilliseconds,
        type,
        ...fields,
        call: {
          id,
          orgId: 'eb166faa-7145-46ef-8044-589b47ae3b56',
          createdAt: startedAt.toString({ smallestUnit: 'millisecond' }),
          updatedAt: sentAt.toString({ smallestUnit: 'millisecond' }),
          type: 'inboundPhoneCall',
          phoneCallProvider: 'twilio',
          phoneCallProviderId: `CA${id.replaceAll('-', '')}`,
          phoneCallTransport: 'pstn',
          phoneNumberId: '8bac8f61-ca90-4b1c-a480-5872e906b63a',
          ...(customer && { customer }),
        },
        phoneNumber: { provider: 'vapi', id: '8bac8f61-ca90-4b1c-a480-5872e906b63a', number: options.called },
        ...(customer && { customer }),
        ...(assistant && { assistant }),
      },
    }
  }

  async function post(url: string, headers: Record<string, string>, body: unknown): Promise<Played> {
    const begun = performance.now()
    const response = await request(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(options.token && { authorization: `Bearer ${options.token}` }),
        ...headers,
      },
      body: JSON.stringify(body),
    })
    const text = await response.body.text()
    const ms = performance.now() - begun
    let parsed: unknown = text
    try {
      parsed = JSON.parse(text)
    } catch {
      // not every answer is JSON
    }
    const played = { status: response.statusCode, body: parsed, ms }
    options.onExchange?.(body, played)
    return played
  }

  /** Sends a message to wherever the assistant says, and again as its backoff plan says. */
  async function send(type: string, fields: Json = {}): Promise<Played> {
    const server = (assistant?.server ?? {}) as {
      url?: string
      headers?: Record<string, string>
      backoffPlan?: BackoffPlan
    }
    const plan = server.backoffPlan
    const body = envelope(type, fields)
    for (let retry = 0; ; retry++) {
      const played = await post(
        options.serverUrl ?? server.url ?? options.webhookUrl,
        server.headers ?? {},
        body,
      ).catch((error: unknown) => {
        if (!plan || retry >= plan.maxRetries) throw error
        return undefined
      })
      if (played && (played.status < 300 || !plan || retry >= plan.maxRetries)) return played
      const seconds = (plan?.baseDelaySeconds ?? 0) * (plan?.type === 'exponential' ? 2 ** retry : 1)
      await pause((seconds * 1_000) / RETRY_HURRY)
    }
  }

  return {
    callId: id,

    /** The assistant VAPI was given, as it would hold it. */
    get assistant() {
      return assistant
    },

    /** The phone rings: who answers? */
    async ring(): Promise<Played> {
      const played = await post(options.webhookUrl, {}, envelope('assistant-request', {}))
      assistant = (played.body as { assistant?: Json } | undefined)?.assistant
      return played
    },

    status: (status: string, fields: Json = {}) => send('status-update', { status, ...fields }),

    speech: (role: 'assistant' | 'user', status: 'started' | 'stopped') =>
      send('speech-update', { status, role, turn: 1 }),

    conversation: (messages: Json[]) =>
      send('conversation-update', { messages, messagesOpenAIFormatted: messages }),

    /** The language model uses a tool. `arguments` are an object, as VAPI sends them. */
    tool(name: string, args: Json, toolCallId = `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`) {
      const call = { id: toolCallId, type: 'function', function: { name, arguments: args } }
      return send('tool-calls', {
        toolCallList: [call],
        toolCalls: [call],
        toolWithToolCallList: [{ type: 'function', function: { name }, toolCall: call }],
      })
    },

    /** The call is over and VAPI has worked it up. */
    report(fields: {
      transcript: string
      summary: string
      structuredData?: Json
      endedReason?: string
      seconds?: number
    }) {
      const endedAt = now()
      const begun = endedAt.subtract({ seconds: fields.seconds ?? 88 })
      const recording = `https://storage.vapi.ai/${id}-mono.wav?signature=${randomUUID()}`
      return send('end-of-call-report', {
        endedReason: fields.endedReason ?? 'customer-ended-call',
        startedAt: begun.toString({ smallestUnit: 'millisecond' }),
        endedAt: endedAt.toString({ smallestUnit: 'millisecond' }),
        cost: 0.0812,
        analysis: {
          summary: fields.summary,
          ...(fields.structuredData && { structuredData: fields.structuredData }),
          successEvaluation: 'true',
        },
        artifact: {
          transcript: fields.transcript,
          messages: [],
          ...((assistant?.artifactPlan as Json | undefined)?.recordingEnabled === true && {
            recordingUrl: recording,
            recording: { mono: { combinedUrl: recording } },
          }),
        },
      })
    },

    send,
  }
}

export type Player = ReturnType<typeof createPlayer>
