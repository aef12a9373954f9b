import { AppError, invalid } from '../errors.ts'
import { type Clock, isZone, startOfDay } from '../time.ts'
import type { CompletenessRepository, DayRow, OpenCall, ZoneDay } from './completeness-repository.ts'
import { REPORT_PATIENCE_SECONDS } from './crm-sync.ts'

/** What the queue knows of the work on one session. */
export interface SyncJobState {
  sessionId: string
  /** `failed`: out of attempts; `dead`: given up, and kept to be looked at. */
  state: 'queued' | 'retrying' | 'failed' | 'dead'
  attempts: number
  nextAt?: Temporal.Instant
  cause?: string
}

/** Why a call is not complete. */
export type OpenReason =
  /** It is not over. */
  | 'in-progress'
  /** It ended some minutes ago, and its report is on the way. */
  | 'awaiting-report'
  /** Its report never came; VAPI is asked for it every ten minutes. */
  | 'no-report'
  /** The CRM's share of the work waits for its turn. */
  | 'queued'
  /** It failed and is tried again. */
  | 'retrying'
  /** The CRM refused the client's credential. */
  | 'crm-paused'
  /** It was given up: see the dead letters. */
  | 'dead-letter'
  /** No work on it is known: it will not become complete by itself. */
  | 'not-queued'
  /** Not synced, and the queue could not be asked why. */
  | 'not-synced'

export interface OpenEntry {
  session_id: string
  /** VAPI's id; null on calls of an older server. */
  call_id: string | null
  started_at: string
  reason: OpenReason
  attempts?: number
  /** ISO 8601 */
  next_try_at?: string
  cause?: string
}

export interface CompletenessDay {
  client_id: string
  client_name: string
  /** In the client's zone. */
  date: string
  timezone: string
  calls: number
  complete: number
  /** Those that are not, the latest first. */
  open: OpenEntry[]
  /** How many more are not, beyond what is listed. */
  unlisted: number
}

export interface CompletenessQuery {
  /** Days as `2026-08-21`, both included; each client's own. Default: yesterday and today. */
  from?: string | undefined
  to?: string | undefined
  clientId?: string | undefined
}

/** Longer than any call may take: one that has not ended by then has, and nobody told. */
const LONGEST_CALL_SECONDS = 7_200 + 900

/** Days of a zone that a row names and nobody knows. */
const FALLBACK_ZONE = 'UTC'
const DAYS_MAX = 31
/** When a CRM is away there may be thousands, all for one reason. */
const LISTED_MAX = 500

/** One session may have several jobs: what is still to come counts more than what has failed. */
const WEIGHT = { retrying: 3, queued: 2, dead: 1, failed: 0 } as const

export interface CompletenessOptions {
  repository: CompletenessRepository
  /** Whether VAPI is asked for calls that nobody told of. */
  reconciled: boolean
  /** What the queue knows of these sessions; without it, reasons are told as far as the tables know them. */
  stateOf?: ((sessionIds: readonly string[]) => Promise<readonly SyncJobState[]>) | undefined
  clock: Clock
  log: { warn(facts: object, message: string): void }
}

/**
 * Says which calls have made it into the CRM, and why the others have not. Complete is a call whose report is stored
 * and whose sync has been through since then: the note is in the CRM, or the caller withheld his number and there is
 * nobody to write it about.
 */
export function createCompleteness({ repository, reconciled, stateOf, clock, log }: CompletenessOptions) {
  async function jobsOf(rows: readonly DayRow[]): Promise<ReadonlyMap<string, SyncJobState> | undefined> {
    const ids = rows
      .flatMap(({ open }) => open.filter(({ reported }) => reported))
      .map((call) => call.session_id)
    if (!stateOf) return undefined
    try {
      const jobs = new Map<string, SyncJobState>()
      for (const job of ids.length > 0 ? await stateOf(ids) : []) {
        const known = jobs.get(job.sessionId)
        if (!known || WEIGHT[job.state] > WEIGHT[known.state]) jobs.set(job.sessionId, job)
      }
      return jobs
    } catch (error) {
      log.warn({ err: error }, 'the queue could not be asked about open calls')
      return undefined
    }
  }

  /** The days from one to another as each zone has them; without dates, yesterday and today, which differ by zone. */
  function daysOf(zones: readonly string[], { from, to }: CompletenessQuery): ZoneDay[] {
    return zones.flatMap((zone) => {
      const today = clock().toZonedDateTimeISO(zone).toPlainDate()
      const last = dayOf('to', to) ?? today
      const first = dayOf('from', from) ?? Temporal.PlainDate.from(last).subtract({ days: 1 })
      const count = first.until(last, { largestUnit: 'days' }).days + 1
      if (count < 1) throw invalid('from', 'from is after to')
      if (count > DAYS_MAX) throw invalid('from', `at most ${DAYS_MAX} days at a time`)
      return Array.from({ length: count }, (_, days) => {
        const date = first.add({ days })
        return { zone, date, from: startOfDay(date, zone), until: startOfDay(date.add({ days: 1 }), zone) }
      })
    })
  }

  return {
    /** @throws AppError INVALID_INPUT naming the field, CLIENT_UNKNOWN */
    async of(query: CompletenessQuery) {
      const { clientId } = query
      const named = await repository.zones(clientId)
      if (clientId !== undefined && named.length === 0) throw new AppError('CLIENT_UNKNOWN')
      const zones = [...new Set([...named.filter(isZone), FALLBACK_ZONE])]
      const days = daysOf(zones, query)
      const options = { clientId, fallbackZone: FALLBACK_ZONE, limit: LISTED_MAX }
      const [rows, checkedUntil] = await Promise.all([
        repository.days(days, options),
        reconciled ? repository.checkedUntil() : undefined,
      ])
      const jobs = await jobsOf(rows)
      const now = clock()
      return {
        /** Until when VAPI was asked for calls that nobody told of; null: it is not asked. */
        vapi_checked_until: checkedUntil?.toString() ?? null,
        calls: rows.reduce((sum, { calls }) => sum + calls, 0),
        complete: rows.reduce((sum, { complete }) => sum + complete, 0),
        days: rows.map((row) => dayEntry(row, jobs, now)),
      }
    },
  }
}

export type Completeness = ReturnType<typeof createCompleteness>

function dayOf(field: string, text: string | undefined): Temporal.PlainDate | undefined {
  if (text === undefined) return undefined
  try {
    return Temporal.PlainDate.from(text)
  } catch {
    throw invalid(field, `${field} must be a day such as 2026-08-21`)
  }
}

function dayEntry(
  row: DayRow,
  jobs: ReadonlyMap<string, SyncJobState> | undefined,
  now: Temporal.Instant,
): CompletenessDay {
  const { client_id, client_name, date, zone, calls, complete, paused, open } = row
  return {
    ...{ client_id, client_name, date, timezone: zone, calls, complete },
    open: open.map((call) => openEntry(call, paused, jobs, now)),
    unlisted: calls - complete - open.length,
  }
}

function openEntry(
  call: OpenCall,
  paused: string | null,
  jobs: ReadonlyMap<string, SyncJobState> | undefined,
  now: Temporal.Instant,
): OpenEntry {
  const { session_id, call_id } = call
  const started_at = Temporal.Instant.from(call.started_at).toString()
  const job = call.reported ? jobs?.get(session_id) : undefined
  return {
    ...{ session_id, call_id, started_at },
    ...reasonOf(call, job, paused, jobs !== undefined, now),
    ...(job && { attempts: job.attempts }),
    ...(job?.nextAt && { next_try_at: job.nextAt.toString() }),
  }
}

/** What stands in a call's way; `asked`: the queue has said all that it knows. */
function reasonOf(
  call: OpenCall,
  job: SyncJobState | undefined,
  paused: string | null,
  asked: boolean,
  now: Temporal.Instant,
): { reason: OpenReason; cause?: string } {
  if (!call.reported) {
    const passed = (since: string) => Temporal.Instant.from(since).until(now).total('seconds')
    if (call.status !== 'ended')
      return { reason: passed(call.started_at) < LONGEST_CALL_SECONDS ? 'in-progress' : 'no-report' }
    const late = passed(call.ended_at ?? call.started_at) >= REPORT_PATIENCE_SECONDS
    return { reason: late ? 'no-report' : 'awaiting-report' }
  }
  const cause = job?.cause === undefined ? {} : { cause: job.cause }
  if (job?.state === 'dead' || job?.state === 'failed') return { reason: 'dead-letter', ...cause }
  // The job fails for that reason each time, and says less.
  if (paused !== null) return { reason: 'crm-paused', cause: paused }
  if (job) return { reason: job.state, ...cause }
  if (call.waiting) return { reason: 'queued' }
  return { reason: asked ? 'not-queued' : 'not-synced' }
}
