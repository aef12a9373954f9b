import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { createPlayer, type Played } from '../../sandbox/player.ts'
import { type Business, TOKEN, type World, ZONE } from './world.ts'

/** What VAPI would know of a call it has had with us. */
export interface CallRecord {
  id: string
  business: Business
  caller: string
  /** Whether the caller heard somebody. */
  heard: boolean
  /** Event keys of what was answered with 2xx: those must be found later. */
  acknowledged: Set<string>
  /** The report's; its repetitions are the same. */
  summary: string
  /** What the caller was told about the visit. */
  visit?: { title: string; promised: boolean }
}

/** How long assistant-requests took, in milliseconds. */
export interface Rings {
  known: number[]
  /** Of numbers nobody knows: the generic assistant answers. */
  unknown: number[]
  unheard: number
}

export interface LoadOptions {
  perSecond?: number
  /** Every so many-th call books a visit; 0: none does. */
  bookEvery?: number
  /** Longest pause between two messages of a call. */
  paceMs?: number
  businesses?: readonly Business[]
}

/** The pauses of the player's backoff add up to this; who has not been taken by then is given up, as VAPI would. */
const STRAGGLERS_SECONDS = 110

let callers = 0

/** Calls from many people, one after the other and side by side, until it is stopped. */
export function startLoad(world: World, options: LoadOptions = {}) {
  const { perSecond = 5, bookEvery = 4, paceMs = 400, businesses = world.businesses } = options
  const calls: CallRecord[] = []
  const rings: Rings = { known: [], unknown: [], unheard: 0 }
  const running = new Set<Promise<void>>()
  const stopping = new AbortController()
  const webhookUrl = `${world.balancer.url}/vapi/webhooks`
  const base = callers
  callers += 5_000

  async function call(n: number): Promise<void> {
    const business = businesses[n % businesses.length] as Business
    // Everybody calls three times or so.
    const caller = phone(base + Math.floor(n / (3 * businesses.length)))
    const player = createPlayer({ webhookUrl, token: TOKEN, called: business.number, caller })
    const record: CallRecord = {
      ...{ id: player.callId, business, caller, heard: false },
      ...{ acknowledged: new Set<string>(), summary: `Summary of ${player.callId}.` },
    }
    calls.push(record)
    const answer = await timed(player.ring(), rings.known)
    record.heard = isSomebody(answer)
    if (!record.heard) {
      rings.unheard += 1
      return
    }
    const tell = async (key: string, sent: Promise<Played>) => {
      const played = await sent.catch(() => undefined)
      if (played && played.status < 300) record.acknowledged.add(key)
      await pause(randomInt(1, paceMs + 1))
    }
    await tell('status-update:ringing', player.status('ringing'))
    await tell('status-update:in-progress', player.status('in-progress'))
    if (bookEvery > 0 && n % bookEvery === 0) {
      const visit = { title: `Visit ${player.callId}`, promised: false }
      record.visit = visit
      visit.promised = await book(player, visit.title, slot(Math.floor(n / businesses.length)))
    }
    await tell('status-update:ended', player.status('ended', { endedReason: 'customer-ended-call' }))
    const { summary } = record
    await tell('end-of-call-report', player.report({ transcript: 'AI: Hello.\nUser: Hi.', summary }))
  }

  async function stranger(n: number): Promise<void> {
    const called = `+1415555${String(randomInt(10_000)).padStart(4, '0')}`
    const player = createPlayer({ webhookUrl, token: TOKEN, called, caller: phone(base + 4_000 + n) })
    if (!isSomebody(await timed(player.ring(), rings.unknown))) rings.unheard += 1
  }

  const track = (work: Promise<void>) => {
    const settled = work.catch((error) => {
      process.stderr.write(`a played call failed: ${error}\n`)
    })
    running.add(settled)
    void settled.finally(() => running.delete(settled))
  }
  const going = (async () => {
    for (let n = 0; !stopping.signal.aborted; n++) {
      track(call(n))
      if (n % perSecond === 0) track(stranger(n))
      await pause(1_000 / perSecond, undefined, { signal: stopping.signal }).catch(() => {})
    }
  })()

  return {
    calls: calls as readonly CallRecord[],
    rings: rings as Readonly<Rings>,
    /** No new calls; resolves when those under way are over, whatever became of them. */
    async stop(): Promise<void> {
      stopping.abort()
      await going
      await Promise.race([Promise.all(running), pause(STRAGGLERS_SECONDS * 1_000, undefined, { ref: false })])
    },
  }
}

export type Load = ReturnType<typeof startLoad>

/** Calls come in for so many seconds while `work` goes on. */
export async function during(
  world: World,
  seconds: number,
  work: (load: Load) => Promise<void>,
  options?: LoadOptions,
) {
  const load = startLoad(world, options)
  const over = pause(seconds * 1_000)
  try {
    await work(load)
    await over
  } finally {
    await load.stop()
  }
  return load
}

async function timed(sent: Promise<Played>, into: number[]): Promise<Played | undefined> {
  const begun = performance.now()
  const played = await sent.catch(() => undefined)
  into.push(performance.now() - begun)
  return played
}

const isSomebody = (played: Played | undefined) =>
  played?.status === 200 && (played.body as { assistant?: unknown } | null)?.assistant !== undefined

/**
 * The assistant books a visit, and tries again when it is told that it did not work, as a language model does.
 * True if the caller was told that it is booked.
 */
async function book(player: ReturnType<typeof createPlayer>, title: string, start: string): Promise<boolean> {
  for (let tries = 0; tries < 3; tries++) {
    const played = await player
      .tool('book_appointment', { start_time: start, name: 'Ann Lee', title })
      .catch(() => undefined)
    const [result] = (played?.body as { results?: { result?: string }[] } | undefined)?.results ?? []
    if (/^(Already )?[Bb]ooked: /.test(result?.result ?? '')) return true
    await pause(200)
  }
  return false
}

/** The wall time of the n-th quarter of an hour from tomorrow on. */
const slot = (n: number) =>
  Temporal.Now.plainDateISO(ZONE)
    .add({ days: 1 })
    .toPlainDateTime()
    .add({ minutes: 15 * n })
    .toString()

/** A number of British Columbia's that libphonenumber takes for a real one. */
const phone = (n: number) =>
  `+1250${200 + (Math.floor(n / 10_000) % 800)}${String(n % 10_000).padStart(4, '0')}`
