import { type Static, Type } from '@sinclair/typebox'

/**
 * The envelope of every VAPI webhook: wrapped in `message` as VAPI sends it, or bare. Only the type is
 * insisted on, where the envelope is opened: what else a message holds changes without notice and is read
 * defensively, field by field.
 */
export const WebhookBody = Type.Object(
  {},
  { description: 'A VAPI server message: `{ "message": { "type": … } }` or `{ "type": … }`' },
)

/** One result for each tool call; VAPI wants strings on a single line, and HTTP 200 even for a failure. */
export const ToolResult = Type.Object({
  name: Type.String(),
  toolCallId: Type.String(),
  result: Type.Optional(Type.String()),
  error: Type.Optional(Type.String()),
})
export type ToolResult = Static<typeof ToolResult>

/** Properties that VAPI's messages are known to have; another one is counted, so that a change is noticed. */
export const KNOWN_MESSAGE_PROPERTIES: ReadonlySet<string> = new Set(
  `type timestamp call phoneNumber customer assistant artifact assistantVersion chat session squad workflow
   status endedReason startedAt endedAt cost costs costBreakdown costsTotal analysis compliance destination
   messages messagesOpenAIFormatted transcript summary recordingUrl stereoRecordingUrl durationMs
   durationSeconds durationMinutes inboundPhoneCallDebuggingArtifacts toolCallList toolWithToolCallList
   toolCalls role transcriptType turn conversation language request isFiltered detectedThreats
   originalTranscript`.split(/\s+/),
)
