import { randomUUID } from 'node:crypto'
import type { Access } from '../auth/admission.ts'
import type { Clock } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import type { VapiApi, VapiCall } from '../vapi/api.ts'
import type { ReportOf } from '../vapi/report.ts'
import type { Intake } from './intake.ts'
import type { ReconcilerRepository } from './reconciler-repository.ts'

/** How often VAPI is asked. */
const PERIOD_SECONDS = 600

/**
 * What VAPI changed less long ago than this is left for the next time: the call's analysis takes up to a minute, and
 * its report is under way.
 */
const SETTLE_SECONDS = 180

/** Looked at twice: our clock and VAPI's differ, and a change may show in its list a little later. */
const OVERLAP_SECONDS = 600

/** How far it reaches back after a long absence. */
const REACH_HOURS = 24

/** Calls come with their transcripts, of some 50 kB each: so many at a time fit into memory and into the deadline. */
const PAGE_SIZE = 50

/** Longer than a page takes with a slow database, and renewed after each. */
const LEASE_SECONDS = 180

/** So many calls that cannot be taken in, and it is not the calls: the run ends. */
const FAILURES_MAX = 5

/** What VAPI answers to our key is believed, as what it sends with its credential is. */
const TRUSTED: Access = { trusted: true, call: undefined }

/** What a run has found. */
export interface Reconciled {
  /** Calls that have ended, as VAPI says. */
  seen: number
  /** Calls of clients among them whose report was missing, and has been made up for. */
  recovered: number
  /** Calls of nobody here. */
  foreign: number
  /** Calls that could not be taken in: they are looked at again as long as they are within reach. */
  failed: number
  /** Whether all that was due has been looked at. */
  complete: boolean
}

export interface ReconcilerOptions {
  vapi: Pick<VapiApi, 'configured' | 'calls' | 'numbers'>
  state: ReconcilerRepository
  intake: Pick<Intake, 'whoIsMeant' | 'take'>
  reportOf: ReportOf
  clock: Clock
  log: Record<'info' | 'warn' | 'error', (facts: object, message: string) => void>
  pageSize?: number
}

/**
 * Asks VAPI for calls that have ended and whose report never came, and takes them in as if it had. A report is lost
 * where this server was away for longer than VAPI repeats it, or where the number's webhooks went elsewhere. One that
 * comes later all the same merges with what was made up for it.
 */
export function createReconciler(options: ReconcilerOptions) {
  const { vapi, state, intake, reportOf, clock, log, pageSize = PAGE_SIZE } = options

  /**
   * Calls that were changed within a span of time, page by page, the earliest first, with the end of each page's
   * span. The order of VAPI's list is not documented, so a span with more calls than a page holds is halved.
   */
  async function* pages(
    from: Temporal.Instant,
    until: Temporal.Instant,
    signal: AbortSignal,
  ): AsyncGenerator<Page> {
    let calls = await vapi.calls({ updatedFrom: from, updatedBefore: until, limit: pageSize }, signal)
    const milliseconds = until.epochMilliseconds - from.epochMilliseconds
    if (calls.length < pageSize || milliseconds <= 1) {
      yield { calls, until }
      return
    }
    // Not held while the halves are read.
    calls = []
    const middle = from.add({ milliseconds: Math.floor(milliseconds / 2) })
    yield* pages(from, middle, signal)
    yield* pages(middle, until, signal)
  }

  /** Takes in a call if it is a client's. What is of nobody here is not even spoken of: there may be many. */
  async function take(
    call: VapiCall,
    numbers: ReadonlyMap<string, string>,
  ): Promise<'recovered' | 'foreign'> {
    const report = reportOf(call, numbers)
    // A call that somebody else places with a client's number has nobody of ours on it.
    if (call.type === 'outboundPhoneCall' && !report.clientId) return 'foreign'
    const { resolution } = await intake.whoIsMeant(report, TRUSTED)
    if (!resolution.client && resolution.reason === 'unknown') return 'foreign'
    const client = await intake.take(report, TRUSTED)
    if (!client) return 'foreign'
    log.warn(
      { call: call.id, client: client.id },
      'the report of a call never came: made of what VAPI has of it',
    )
    return 'recovered'
  }

  async function recover({ calls }: Page, numbersOf: () => Promise<Map<string, string>>, found: Reconciled) {
    const ended = calls.filter((call) => call.status === 'ended')
    found.seen += ended.length
    const reported = await state.reported(ended.map(({ id }) => id))
    for (const call of ended.filter(({ id }) => !reported.has(id))) {
      const numbers = await numbersOf()
      try {
        found[await take(call, numbers)] += 1
      } catch (error) {
        found.failed += 1
        log.error({ call: call.id, err: error }, 'a call whose report never came could not be taken in')
        if (found.failed >= FAILURES_MAX) throw error
      }
    }
  }

  async function run(owner: string, checkedUntil: Temporal.Instant, found: Reconciled, signal: AbortSignal) {
    const now = clock()
    const until = now.subtract({ seconds: SETTLE_SECONDS })
    const reach = now.subtract({ hours: REACH_HOURS })
    const wanted = checkedUntil.subtract({ seconds: OVERLAP_SECONDS })
    const from = Temporal.Instant.compare(wanted, reach) < 0 ? reach : wanted
    if (from !== wanted)
      log.warn(
        { from: reach.toString() },
        'calls that ended before are out of reach: nobody asks for their reports',
      )
    if (Temporal.Instant.compare(from, until) >= 0) return
    let numbers: Promise<Map<string, string>> | undefined
    const numbersOf = () => {
      numbers ??= vapi
        .numbers(signal)
        .then((all) => new Map(all.flatMap(({ id, number }) => (number ? [[id, number]] : []))))
      return numbers
    }
    for await (const page of pages(from, until, signal)) {
      await recover(page, numbersOf, found)
      // Where one could not be taken in, the next run begins before it.
      if (found.failed === 0 && !(await state.advance(owner, page.until, LEASE_SECONDS))) return
    }
    found.complete = found.failed === 0
  }

  return {
    /**
     * Does what is due, unless another instance does; undefined: there was nothing to do. Never rejects: what went
     * wrong is logged, and done the next time.
     */
    async run(signal: AbortSignal): Promise<Reconciled | undefined> {
      if (!vapi.configured) return undefined
      const owner = randomUUID()
      const found: Reconciled = { seen: 0, recovered: 0, foreign: 0, failed: 0, complete: false }
      try {
        const checkedUntil = await state.claim(owner, LEASE_SECONDS)
        if (!checkedUntil) return undefined
        await run(owner, checkedUntil, found, signal)
        log.info({ ...found }, 'VAPI was asked for calls without a report')
      } catch (error) {
        if (!signal.aborted) tellFailure(error, found)
      }
      // If it fails, the lease runs out by itself.
      await state.release(owner, PERIOD_SECONDS).catch(() => {})
      return found
    },
  }

  function tellFailure(error: unknown, found: Reconciled) {
    const facts = { ...found, err: error }
    if (error instanceof UpstreamError) log.warn(facts, 'VAPI could not be asked for calls without a report')
    else log.error(facts, 'calls without a report could not be looked for')
  }
}

interface Page {
  calls: readonly VapiCall[]
  until: Temporal.Instant
}

export type Reconciler = ReturnType<typeof createReconciler>
