/**
 * How hard this process is pressed, and what it then leaves undone. A caller on the phone comes first: an
 * assistant-request or a tool call is never left undone, and there is no level for them.
 */

export interface Reading {
  /** By how many milliseconds the event loop ran late, on average. */
  readonly delayMs: number
  /** How much of the time the event loop was busy, 0 to 1. */
  readonly utilization: number
  /** How much of the memory is used, 0 to 1: of V8's heap or of the process's limit, whichever is nearer its end. */
  readonly memory: number
}

/** What may be left undone, the most dispensable first. */
export const DISPENSABLE = [
  /** Lists of MCP tools: an assistant without them still has our own. */
  'listing',
  /** REST and operators: programs and people who can try again. */
  'rest',
  /** What happens to a call: VAPI brings it again (the assistant's backoff plan). */
  'lifecycle',
] as const
export type Dispensable = (typeof DISPENSABLE)[number]

/** 0: nothing is left undone; 3: everything that is dispensable. */
export type Level = 0 | 1 | 2 | 3

/**
 * An answer takes some ten turns of the loop, so half a second of delay is 5 of the 7.5 s that VAPI waits for an
 * assistant: by then all else must be gone. A busy loop that is not late carries its load; it only says that
 * there is no room for more, and of that the least is made.
 */
const ENTERED_AT: readonly Reading[] = [
  { delayMs: 100, utilization: 0.98, memory: 0.88 },
  { delayMs: 250, utilization: Number.POSITIVE_INFINITY, memory: 0.92 },
  { delayMs: 500, utilization: Number.POSITIVE_INFINITY, memory: 0.96 },
]
/** A level is left well below where it was entered, or shedding would end what brought it about and start anew. */
const LEFT_BELOW: readonly Reading[] = ENTERED_AT.map(({ delayMs, utilization, memory }) => ({
  delayMs: delayMs / 2,
  utilization: utilization - 0.08,
  memory: memory - 0.06,
}))

const reached = ({ delayMs, utilization, memory }: Reading, thresholds: readonly Reading[]) =>
  thresholds.filter((at) => delayMs >= at.delayMs || utilization >= at.utilization || memory >= at.memory)
    .length as Level

/** Nothing is measured yet. */
export const CALM: Reading = { delayMs: 0, utilization: 0, memory: 0 }

/**
 * The level after a reading. It rises by what two readings in a row agree on, as a start or one long garbage
 * collection is no overload, and falls when there is some way to the threshold.
 */
export function nextLevel(level: Level, reading: Reading, before: Reading): Level {
  const entered = Math.min(reached(reading, ENTERED_AT), reached(before, ENTERED_AT))
  const held = reached(reading, LEFT_BELOW)
  return Math.max(entered, Math.min(level, held)) as Level
}

/** Whether something is left undone at a level. */
export const isShed = (what: Dispensable, level: Level) => DISPENSABLE.indexOf(what) < level
