import { firstText, record, text } from '../json.ts'
import type { ConsentFact, Notice } from '../privacy/consent.ts'
import { cleanJson } from '../text.ts'
import { toInstant } from '../time.ts'
import type { CallMessage } from '../vapi/messages.ts'

/** What one message says about its call. Facts of several messages merge to the same row in any order. */
export interface CallFacts {
  /** What makes this message the same as its repetition: type and status, never a hash of the body. */
  eventKey: string
  /** Kept for the timeline of the call. Clean, and without what the session holds already. */
  payload: Record<string, unknown>
  status: string | undefined
  /** The best guesses of this message; a report's own times, in `context`, go before them. */
  startedAt: Temporal.Instant
  endedAt: Temporal.Instant | undefined
  endedReason: string | undefined
  durationSeconds: number | undefined
  /** US dollars */
  cost: number | undefined
  recordingUrl: string | undefined
  transcript: string | undefined
  summary: string | undefined
  /** Facts without a column. */
  context: Record<string, unknown>
  reported: boolean
  ended: boolean
  /** What the caller was told or asked about the recording. */
  consent: ConsentFact | undefined
}

const STATUSES = new Set(['scheduled', 'queued', 'ringing', 'in-progress', 'forwarding', 'ended'])

/** How far VAPI's clock may be ahead of ours. What is sent later than that is taken as of when it came. */
export const CLOCK_SKEW_SECONDS = 60

/** An index entry takes 2,700 bytes at most; parts of a key come from outside. */
export const EVENT_KEY_MAX = 300

/** PostgreSQL's numeric(12, 6) refuses more. */
const COST_MAX = 999_999

/**
 * Reads a lifecycle message; `receivedAt` stands in where the message does not say when it was sent. `notice` is what
 * the client's calls begin with about the recording, if anything.
 */
export function readFacts(
  message: CallMessage,
  receivedAt: Temporal.Instant,
  notice?: Notice | undefined,
): CallFacts {
  const facts = readMessage(message, receivedAt)
  return notice ? { ...facts, consent: { ...notice, at: facts.startedAt.toString() } } : facts
}

function readMessage(message: CallMessage, receivedAt: Temporal.Instant): CallFacts {
  const sentAt = toInstant(message.body.timestamp)
  const latest = receivedAt.add({ seconds: CLOCK_SKEW_SECONDS })
  const at = sentAt && Temporal.Instant.compare(sentAt, latest) <= 0 ? sentAt : receivedAt
  const facts = { ...NOTHING, eventKey: message.type, startedAt: at }
  switch (message.type) {
    case 'status-update':
      return statusUpdate(message, facts, at)
    case 'end-of-call-report':
      return report(message, facts, at)
    case 'transfer-update': {
      const transfer = transferOf(message.body.destination)
      // A call may be transferred more than once.
      const eventKey = `${message.type}:${transfer.transfer ?? ''}`.slice(0, EVENT_KEY_MAX)
      return { ...facts, eventKey, payload: transfer, context: transfer }
    }
    case 'hang':
      return { ...facts, context: { hang: true } }
    default:
      return facts
  }
}

const NOTHING: Omit<CallFacts, 'eventKey' | 'startedAt'> = Object.freeze({
  payload: {},
  status: undefined,
  endedAt: undefined,
  endedReason: undefined,
  durationSeconds: undefined,
  cost: undefined,
  recordingUrl: undefined,
  transcript: undefined,
  summary: undefined,
  context: {},
  reported: false,
  ended: false,
  consent: undefined,
})

function statusUpdate({ body }: CallMessage, facts: CallFacts, at: Temporal.Instant): CallFacts {
  const status = text(body.status)
  const ended = status === 'ended'
  const endedReason = ended ? text(body.endedReason) : undefined
  return {
    ...facts,
    eventKey: `status-update:${status ?? ''}`.slice(0, EVENT_KEY_MAX),
    payload: { status, ...(endedReason && { endedReason }) },
    // Statuses that are new to us are kept as events and leave the session as it is.
    status: status && STATUSES.has(status) ? status : undefined,
    endedAt: ended ? at : undefined,
    endedReason,
    context: status === 'forwarding' ? transferOf(body.destination) : {},
    ended,
  }
}

/** The report. VAPI moved fields about: `artifact` and `analysis` go first, the message itself is the fallback. */
function report({ body }: CallMessage, facts: CallFacts, at: Temporal.Instant): CallFacts {
  const artifact = record(body.artifact)
  const analysis = record(body.analysis)
  const recording = record(artifact.recording)
  const startedAt = toInstant(body.startedAt)
  const endedAt = toInstant(body.endedAt)
  const endedReason = text(body.endedReason)
  const details = cleanJson({
    ...(analysis.structuredData !== undefined && { structuredData: analysis.structuredData }),
    ...(analysis.successEvaluation !== undefined && { successEvaluation: analysis.successEvaluation }),
  }) as Record<string, unknown>
  const cost = typeof body.cost === 'number' && Math.abs(body.cost) <= COST_MAX ? body.cost : undefined
  return {
    ...facts,
    payload: { endedReason, ...(cost !== undefined && { cost }), ...details },
    status: 'ended',
    startedAt: startedAt ?? facts.startedAt,
    endedAt: endedAt ?? at,
    endedReason,
    durationSeconds:
      startedAt && endedAt ? Math.max(0, Math.round(startedAt.until(endedAt).total('seconds'))) : undefined,
    cost,
    recordingUrl: firstText(
      record(recording.mono).combinedUrl,
      artifact.recordingUrl,
      recording.stereoUrl,
      artifact.stereoRecordingUrl,
      body.recordingUrl,
      body.stereoRecordingUrl,
    ),
    transcript: firstText(artifact.transcript, body.transcript),
    summary: firstText(analysis.summary, body.summary),
    context: {
      ...details,
      ...(startedAt && { startedAt: startedAt.toString() }),
      ...(endedAt && { endedAt: endedAt.toString() }),
    },
    reported: true,
    ended: true,
  }
}

/** That a call was transferred, and where to if the message says: what is not said must not outweigh what is. */
function transferOf(value: unknown): { transferred: true; transfer?: string } {
  const destination = record(value)
  const transfer = firstText(
    destination.number,
    destination.sipUri,
    destination.assistantName,
    destination.type,
  )
  return { transferred: true, ...(transfer && { transfer }) }
}
