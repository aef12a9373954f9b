/** What VAPI sends, as the benchmark sends it. In what must be unique stands `[<id>]`, which the load fills in. */

export const TOKEN = 'bench-webhook-token'
export const CALLER = '+12505550188'
/** The first clients have settings such as a business has; the others are there to be many. */
export const KNOWN = 1_000

/** The number of the nth client of the benchmark's table. */
export const numberOf = (n: number) => `+1${7_782_000_000 + n}`

/** Numbers of clients of which nothing is in memory, from all over the table: neighbours would lie on one page. */
export const coldNumberOf = (n: number, clients: number) =>
  numberOf(KNOWN + ((n * 611_953) % (clients - KNOWN)))

const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

/** A message of a call to `number`, posted to the webhook. */
export function webhook(type: string, number: string, fields: object = {}, callId = '[<id>]') {
  const customer = { number: CALLER }
  const message = {
    type,
    timestamp: 1_787_324_400_000,
    call: {
      id: callId,
      orgId: 'eb166faa-7145-46ef-8044-589b47ae3b56',
      createdAt: '2026-08-21T15:00:00.000Z',
      updatedAt: '2026-08-21T15:00:00.000Z',
      type: 'inboundPhoneCall',
      phoneCallProvider: 'twilio',
      phoneCallTransport: 'pstn',
      phoneNumberId: '8bac8f61-ca90-4b1c-a480-5872e906b63a',
      customer,
    },
    phoneNumber: { provider: 'vapi', id: '8bac8f61-ca90-4b1c-a480-5872e906b63a', number },
    customer,
    ...fields,
  }
  return { method: 'POST' as const, path: '/vapi/webhooks', headers, body: JSON.stringify({ message }) }
}

export const TRANSCRIPT = 'AI: How can I help you today?\nUser: The tap in the kitchen is leaking.\n'.repeat(
  170,
)

export const SUMMARY = 'Ann Lee has a leaking kitchen tap and wants a visit.'

/** A report of 40 KB: the transcript, and the same as the list of messages that VAPI sends beside it. */
export function report(number: string) {
  const turn = {
    role: 'user',
    time: 1_787_324_400_000,
    secondsFromStart: 12.5,
    message: 'The tap is leaking.',
  }
  return webhook('end-of-call-report', number, {
    endedReason: 'customer-ended-call',
    startedAt: '2026-08-21T14:58:00.000Z',
    endedAt: '2026-08-21T14:59:30.000Z',
    cost: 0.0812,
    analysis: {
      summary: SUMMARY,
      structuredData: { caller_name: 'Ann Lee', reason: 'A leaking tap', outcome: 'Visit wanted' },
      successEvaluation: 'true',
    },
    artifact: {
      transcript: TRANSCRIPT,
      messages: Array.from({ length: 265 }, () => turn),
      recordingUrl: 'https://storage.vapi.ai/bench-mono.wav?signature=1',
    },
  })
}

/** One call of a tool through VAPI's door. */
export function toolCall(name: string, args: object, number: string) {
  const call = { id: 'call_[<id>]', type: 'function', function: { name, arguments: args } }
  return webhook('tool-calls', number, { toolCallList: [call] })
}

/** A call of a tool of the CRM's own MCP server. */
export const mcpCall = (name: string, args: object, more: Record<string, string>) => ({
  method: 'POST' as const,
  headers: {
    ...headers,
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-06-18',
    ...more,
  },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } }),
})

/** Where the nth client lies in the CRM, and the token that opens it there. */
export const locationOf = (n: number) => `BenchLocation${String(n).padStart(7, '0')}`
export const calendarOf = (n: number) => `BenchCalendar${String(n).padStart(7, '0')}`
export const tokenOf = (n: number) => `bench-token-${n}`
