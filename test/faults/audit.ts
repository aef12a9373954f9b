import type { SandboxContact } from '../../sandbox/crm/server.ts'
import type { CallRecord, Load, Rings } from './load.ts'
import { until } from './scope.ts'
import type { World } from './world.ts'

/** A known number is answered from memory, a strange one when the database has had its time. */
const KNOWN_MS = 1_000
const UNKNOWN_MS = 2_500

export interface Row {
  scenario: string
  calls: number
  acknowledged: number
  inDatabase: number
  inCrm: number
  lost: number
  doubled: number
  /** Assistant-requests: milliseconds of known numbers, half and worst; worst of unknown ones. */
  p50: number | undefined
  max: number | undefined
  genericMax: number | undefined
  unheard: number
  seconds: number
  /** What was not as it must be, lost and doubled things included. */
  objections: string[]
  remark: string
}

export interface AuditOptions {
  /** Seconds until everything must have arrived by itself. */
  patience?: number
  /** Calls whose note is not to be expected, and why that is so is for the scenario to check. */
  without?: ReadonlySet<string>
  /** Callers that may have heard nobody: each was with an instance at the moment it was killed. */
  unheardAllowed?: number
  /** Not to be waited for until no work is left at all. */
  rest?: boolean
}

export type Findings = Omit<Row, 'scenario' | 'seconds' | 'remark'>

/**
 * Waits until what was acknowledged is where it belongs, has what waits for later happen now, and counts.
 * Lost: acknowledged, and not in the database or not in the CRM. Doubled: there more than once.
 */
export async function audit(
  world: World,
  { calls, rings }: Pick<Load, 'calls' | 'rings'>,
  { patience = 30, without = new Set(), unheardAllowed = 0, rest = true }: AuditOptions = {},
): Promise<Findings> {
  const reported = calls.filter((call) => call.acknowledged.has('end-of-call-report'))
  const expected = reported.filter(({ id }) => !without.has(id))
  const missing = async () => {
    const { notes } = await lookIntoCrm(world, calls)
    return expected.filter(({ id }) => (notes.get(id) ?? 0) === 0)
  }
  await until(async () => (await missing()).length === 0, patience, 500)
  const rested = rest ? await letTimePass(world) : true

  const stored = await lookIntoDatabase(world, calls)
  const crm = await lookIntoCrm(world, calls)
  const lost: string[] = []
  const doubled: string[] = []
  for (const call of calls) {
    const gone = [...call.acknowledged].filter((key) => !stored.events.get(call.id)?.has(key))
    for (const key of gone) lost.push(`${call.id} ${key}: not in the database`)
    if (call.acknowledged.has('end-of-call-report') && stored.summaries.get(call.id) !== call.summary)
      lost.push(`${call.id}: its report is not in the database`)
    const visits = crm.visits.get(`Visit ${call.id}`) ?? 0
    if (call.visit?.promised && visits === 0)
      lost.push(`${call.id}: a visit was promised and is not in the CRM`)
    if (visits > 1) doubled.push(`${call.id}: ${visits} visits`)
    const notes = crm.notes.get(call.id) ?? 0
    if (notes > 1)
      doubled.push(
        `${call.id}: ${notes} notes, of ${crm.written.get(call.id)} (${await fateOf(world, call)})`,
      )
  }
  for (const call of expected)
    if (!crm.notes.get(call.id)) lost.push(`${call.id}: no note in the CRM (${await fateOf(world, call)})`)
  for (const [who, count] of crm.contacts) if (count > 1) doubled.push(`${who}: ${count} contacts`)

  const answered = calls.filter(({ heard }) => heard)
  const objections = [...lost, ...doubled]
  if (reported.length < answered.length)
    objections.push(`${answered.length - reported.length} reports were never taken`)
  if (!rested) objections.push('there is work that does not come to an end')
  if (calls.length === 0) objections.push('no call was made')
  if (rings.unheard > unheardAllowed) objections.push(`${rings.unheard} callers heard nobody`)
  const [max, genericMax] = [worst(rings.known), worst(rings.unknown)]
  // Whoever was with an instance that was killed is sent to another one first.
  const knownMs = unheardAllowed > 0 ? UNKNOWN_MS : KNOWN_MS
  if (max !== undefined && max > knownMs) objections.push(`a known number waited ${max} ms`)
  if (genericMax !== undefined && genericMax > UNKNOWN_MS)
    objections.push(`an unknown number waited ${genericMax} ms`)
  return {
    calls: calls.length,
    acknowledged: reported.length,
    inDatabase: reported.filter(({ id, summary }) => stored.summaries.get(id) === summary).length,
    inCrm: reported.filter(({ id }) => crm.notes.get(id)).length,
    lost: lost.length,
    doubled: doubled.length,
    ...{ p50: half(rings), max, genericMax },
    unheard: rings.unheard,
    objections,
  }
}

const worst = (values: readonly number[]) => (values.length ? Math.round(Math.max(...values)) : undefined)
const half = ({ known }: Rings) => {
  const middle = known.toSorted((a, b) => a - b)[Math.floor(known.length / 2)]
  return middle === undefined ? undefined : Math.round(middle)
}

async function lookIntoDatabase({ sql }: World, calls: readonly CallRecord[]) {
  const ids = calls.map(({ id }) => id)
  const sessions = await sql<{ vapi_call_id: string; summary: string | null }[]>`
    select vapi_call_id, summary from voice_sessions
    where vapi_call_id = any(${ids}) and reported_at is not null and status = 'ended'`
  const found = await sql<{ vapi_call_id: string; event_key: string }[]>`
    select vapi_call_id, event_key from call_events where vapi_call_id = any(${ids})`
  const events = new Map<string, Set<string>>()
  for (const { vapi_call_id, event_key } of found) {
    const keys = events.get(vapi_call_id) ?? new Set()
    events.set(vapi_call_id, keys.add(event_key))
  }
  return { summaries: new Map(sessions.map((row) => [row.vapi_call_id, row.summary])), events }
}

/** Notes by call, on the caller's contact; visits by title; contacts by who it is. */
async function lookIntoCrm({ crm, businesses }: World, calls: readonly CallRecord[]) {
  const notes = new Map<string, number>()
  const written = new Map<string, string[]>()
  const visits = new Map<string, number>()
  const contacts = new Map<string, number>()
  const add = (to: Map<string, number>, key: string) => void to.set(key, (to.get(key) ?? 0) + 1)
  for (const business of businesses) {
    const records = await crm.location(business.locationId)
    for (const { title } of records.appointments) add(visits, title)
    const byPhone = Map.groupBy(records.contacts, ({ phone }: SandboxContact) => phone ?? 'no number')
    for (const [phone, some] of byPhone) contacts.set(`${business.number} ${phone}`, some.length)
    for (const call of calls.filter((each) => each.business === business)) {
      const own = (byPhone.get(call.caller) ?? []).flatMap((contact) => contact.notes)
      const about = own.filter(({ body }) => body.includes(call.id))
      if (about.length > 0) notes.set(call.id, about.length)
      written.set(
        call.id,
        about.map(({ dateAdded }) => dateAdded),
      )
    }
  }
  return { notes, written, visits, contacts }
}

/** Where the work on a call has come to, for whoever reads the objection. */
async function fateOf({ sql }: World, { id }: CallRecord): Promise<string> {
  const jobs = await sql<{ name: string; state: string; retry_count: number }[]>`
    select name, state::text, retry_count from pgboss.job
    where data ->> 'sessionId' in (select id::text from voice_sessions where vapi_call_id = ${id})
    order by created_on`
  return jobs.map((job) => `${job.name} ${job.state} ${job.retry_count}`).join(', ') || 'no job'
}

/** Work that is not done, what was given up apart. */
const openJobs = async ({ sql }: World) =>
  (
    await sql`
      select from pgboss.job where name = 'crm-sync' and state in ('created', 'retry', 'active')
      union all select from outbox limit 1`
  ).length

/**
 * Puts the clock forward for what waits for a later time: repetitions, and the look at a call some minutes after
 * its end. Whatever would be done twice, or at last, is done by then.
 */
async function letTimePass(world: World, seconds = 60): Promise<boolean> {
  let next = 0
  return until(
    async () => {
      // Not all the time: each look at a call that somebody still holds counts as a repetition.
      if (performance.now() > next) {
        next = performance.now() + 5_000
        await hurry(world)
      }
      return (await openJobs(world)) === 0
    },
    seconds,
    250,
  )
}

/** Answers of whose work the waiting was cut short, and by how many seconds; that of some sessions is let alone. */
export const hurry = ({ sql }: World, but: readonly string[] = []) => sql<
  { session: string; seconds: number }[]
>`
  with waiting as (
    select id, start_after from pgboss.job
    where name = 'crm-sync' and state in ('created', 'retry') and start_after > now()
      and data ->> 'sessionId' <> all(${but}) for update skip locked
  )
  update pgboss.job set start_after = now() from waiting where job.id = waiting.id
  returning job.data ->> 'sessionId' as session, extract(epoch from waiting.start_after - now())::float as seconds`
