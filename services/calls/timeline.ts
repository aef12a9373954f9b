import { AppError, invalid } from '../errors.ts'
import type { JobRow } from '../jobs/jobs-repository.ts'
import type {
  CallFilter,
  ListedCall,
  StoredCall,
  StoredEvent,
  TimelineRepository,
} from './timeline-repository.ts'

/** One thing that happened in a call, or was done about it. */
export interface Moment {
  at: Date
  /** In a few words. */
  what: string
  /** Milliseconds it took, where that was measured. */
  ms?: number
  details: Record<string, unknown>
}

export interface ExplainedCall {
  call: StoredCall
  timeline: Moment[]
  /** Work on it that is still to be done, or was given up. */
  jobs: JobRow[]
}

export interface TimelineOptions {
  repository: TimelineRepository
  /** The work on these voice sessions that is not done. */
  jobsOf: (sessionIds: readonly string[]) => Promise<JobRow[]>
}

/** Calls as whoever looks after the server sees them. */
export function createTimeline({ repository, jobsOf }: TimelineOptions) {
  return {
    /** A page, the latest first. @throws AppError INVALID_INPUT naming the field */
    async list({ cursor, ...filter }: Omit<CallFilter, 'before'> & { cursor?: string | undefined }) {
      const rows = await repository.list({ ...filter, before: readCursor(cursor), limit: filter.limit + 1 })
      const calls = rows.slice(0, filter.limit)
      const last = calls.at(-1)
      return { calls, next: rows.length > calls.length && last ? cursorOf(last) : undefined }
    },

    /** One call explained: what came, who answered, which tools were used, what was written. @throws AppError CALL_UNKNOWN */
    async explain(id: string): Promise<ExplainedCall> {
      const call = await repository.find(id)
      if (!call) throw new AppError('CALL_UNKNOWN')
      const [events, jobs] = await Promise.all([
        call.vapi_call_id ? repository.events(call.client_id, call.vapi_call_id) : [],
        jobsOf([call.id]),
      ])
      return { call, timeline: events.map(moment), jobs }
    },
  }
}

export type Timeline = ReturnType<typeof createTimeline>

function moment({ at, kind, type, payload }: StoredEvent): Moment {
  const { key: _, ms, ...details } = payload
  return { at, what: sentence(kind, type, payload), ...(typeof ms === 'number' && { ms }), details }
}

function sentence(kind: string, type: string, payload: Record<string, unknown>): string {
  if (kind === 'assistant') return `answered by its assistant (${payload.source})`
  if (kind === 'crm-sync') {
    if (payload.error) return `CRM sync failed: ${payload.error}`
    const done = [payload.contact && `contact ${payload.contact}`, payload.note && `note ${payload.note}`]
    return `CRM sync: ${done.filter(Boolean).join(', ')}`
  }
  if (type === 'tool-calls') return `tool ${payload.name}${payload.error ? ` failed: ${payload.error}` : ''}`
  return typeof payload.status === 'string' ? `${type}: ${payload.status}` : type
}

const cursorOf = ({ started, id }: ListedCall) => Buffer.from(`${started}|${id}`).toString('base64url')

/** @throws AppError INVALID_INPUT */
function readCursor(cursor: string | undefined) {
  if (cursor === undefined) return undefined
  const [at = '', id = ''] = Buffer.from(cursor, 'base64url').toString().split('|')
  if (!/^\d{4}-\d\d-\d\d [\d:.+-]+$/.test(at) || !/^[0-9a-f-]{36}$/.test(id))
    throw invalid('cursor', 'cursor is not one of ours')
  return { at, id }
}
