import type { ClientResolver } from '../clients/resolver.ts'
import type { GhlApi } from '../ghl/api.ts'
import type { JobsRepository } from '../jobs/jobs-repository.ts'
import { UpstreamError } from '../upstream.ts'
import type { VapiApi } from '../vapi/api.ts'
import type { Erasures } from './erasures.ts'
import type { CopyRow, ErasureRepository, ErasureRow, System } from './erasures-repository.ts'
import type { RowsRepository } from './rows-repository.ts'

/** The job may run twice as long; what is left then is done by the next one. */
const RUN_DEADLINE_MS = 50_000

/** Jobs under way end within that. */
const ACTIVE_JOB_SECONDS = 15

const NO_KEY = 'VAPI_API_KEY is not set'

/** Copies are left: when to come back, or that only somebody else can help. */
export class CopiesLeft extends Error {
  override readonly name = 'CopiesLeft'
  readonly afterSeconds: number | undefined
  readonly hopeless: boolean

  constructor(
    message: string,
    { afterSeconds, hopeless = false }: { afterSeconds?: number; hopeless?: boolean },
  ) {
    super(message)
    this.afterSeconds = afterSeconds
    this.hopeless = hopeless
  }
}

export interface CopiesOptions {
  erasures: ErasureRepository
  rows: RowsRepository
  eraseRest: Erasures['eraseRest']
  jobs: Pick<JobsRepository, 'removeOfSessions'>
  clients: Pick<ClientResolver, 'byId'>
  ghl: GhlApi
  /** Whether a note in the CRM is the one about a call. */
  isNoteOf: (callId: string, body: string) => boolean
  vapi: Pick<VapiApi, 'configured' | 'deleteCall'>
}

/** What one attempt has come to. */
interface Attempt {
  /** Things that were deleted. */
  counted: number
  /** Left, and not for a failure: somebody may be at it. */
  waitSeconds?: number
}

/**
 * The half of an erasure that is elsewhere. It works from the list of copies that are left, and strikes off what has
 * gone, so it may be killed anywhere and run any number of times. What fails holds up nothing else.
 */
export function createCopies(options: CopiesOptions) {
  const { erasures, rows, jobs, clients, ghl, vapi, isNoteOf } = options

  async function removeNotes(clientId: string, copy: CopyRow, signal: AbortSignal): Promise<Attempt> {
    const { contact_id: contactId, note_id: noteId, vapi_call_id: callId } = copy
    const { client } = await clients.byId(clientId)
    if (!contactId) return { counted: 0 }
    if (!client) throw new Error('the client could not be read')
    const { contacts } = ghl.forClient({ clientId, ...client.crm, signal, priority: 'background' })
    const notes = await contacts.notes(contactId).catch(async (error: unknown) => {
      if (await isGone(error, () => contacts.byId(contactId))) return []
      throw error
    })
    // A note whose writing was cut off has no id here, and is known by the call that it names.
    const ours = notes.filter(({ id, body }) => id === noteId || (callId !== null && isNoteOf(callId, body)))
    for (const { id } of ours) await contacts.removeNote(contactId, id)
    return { counted: ours.length }
  }

  async function remove(
    clientId: string,
    system: System,
    copies: readonly CopyRow[],
    signal: AbortSignal,
  ): Promise<Attempt> {
    const [copy] = copies
    if (!copy) return { counted: 0 }
    if (system === 'jobs') {
      const { removed, active } = await jobs.removeOfSessions(copies.flatMap((each) => each.session_id ?? []))
      return { counted: removed, ...(active > 0 && { waitSeconds: ACTIVE_JOB_SECONDS }) }
    }
    if (system === 'crm') return removeNotes(clientId, copy, signal)
    if (!vapi.configured) throw new CopiesLeft(NO_KEY, { hopeless: true })
    await vapi.deleteCall(copy.vapi_call_id ?? '', signal)
    return { counted: 1 }
  }

  /** The copies that are dealt with together, each list with its system. */
  const lots = (copies: readonly CopyRow[]): [System, CopyRow[]][] => {
    const queued = copies.filter(({ system }) => system === 'jobs')
    const others = copies.filter(({ system }) => system !== 'jobs')
    return [
      ...(queued.length > 0 ? [['jobs', queued] as [System, CopyRow[]]] : []),
      ...others.map((copy): [System, CopyRow[]] => [copy.system, [copy]]),
    ]
  }

  async function removeAll(erasure: ErasureRow, copies: readonly CopyRow[], signal: AbortSignal) {
    const { client_id: clientId, id } = erasure
    const failures: unknown[] = []
    let waitSeconds = Math.max(0, ...copies.map(({ wait }) => wait))
    for (const [system, lot] of lots(copies.filter(({ wait }) => wait <= 0))) {
      if (signal.aborted) return { failures, waitSeconds: waitSeconds || 1 }
      const ids = lot.map((copy) => copy.id)
      try {
        const attempt = await remove(clientId, system, lot, signal)
        if (attempt.waitSeconds) waitSeconds = Math.max(waitSeconds, attempt.waitSeconds)
        else await erasures.copiesGone(clientId, id, system, ids, attempt.counted)
      } catch (error) {
        if (!(error instanceof UpstreamError || error instanceof CopiesLeft)) throw error
        failures.push(error)
        await erasures.copiesFailed(clientId, id, ids, error.message)
      }
    }
    return { failures, waitSeconds }
  }

  return {
    /** @throws CopiesLeft, UpstreamError; errors of the database */
    async run(
      { clientId, erasureId }: { clientId: string; erasureId: string },
      given: AbortSignal,
    ): Promise<void> {
      const erasure = await erasures.byId(erasureId)
      if (!erasure || erasure.done_at || erasure.client_id !== clientId) return
      await options.eraseRest(erasure)
      const copies = await erasures.copies(clientId, erasureId)
      const calls = copies.flatMap(({ vapi_call_id }) => vapi_call_id ?? [])
      if (calls.length > 0) await rows.sweep(clientId, calls)
      const signal = AbortSignal.any([given, AbortSignal.timeout(RUN_DEADLINE_MS)])
      const { failures, waitSeconds } = await removeAll(erasure, copies, signal)
      await erasures.finish(clientId, erasureId)
      if (failures.length > 0) throw worst(failures)
      if (waitSeconds > 0) throw new CopiesLeft('copies may still be written', { afterSeconds: waitSeconds })
    },
  }
}

export type Copies = ReturnType<typeof createCopies>

/** Whether the contact itself is gone: GHL answers 400 or 404 for what is not there, and 400 for much else. */
async function isGone(error: unknown, contact: () => Promise<unknown>): Promise<boolean> {
  const absent = (thrown: unknown) =>
    thrown instanceof UpstreamError && (thrown.status === 404 || thrown.status === 400)
  if (!absent(error)) return false
  return contact().then((found) => found === undefined, absent)
}

/** Of several failures, one after which trying again makes sense, if there is any. */
function worst(failures: readonly unknown[]): unknown {
  const hope = failures.find((error) => error instanceof UpstreamError && error.retryable)
  return hope ?? failures[0]
}
