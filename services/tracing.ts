/** What a span says of itself: never a number, a name, a body or an address. */
export type Facts = Readonly<Record<string, string | number | undefined>>

/** Ends a span; `error` is a code or a class of failure, never a message. */
export type EndSpan = (facts?: Facts, error?: string) => void

/** Traces as the rest of the server sees them; without a collector nothing of it does anything. */
export interface Tracing {
  /** Whether anything is recorded. */
  readonly on: boolean
  /** The trace that goes on here, as a W3C `traceparent`, to be kept with work that is done later. */
  current(): string | undefined
  /** A span beneath the one that is active; undefined where none is. */
  start(name: string, facts?: Facts): EndSpan | undefined
  /** The same around `work`, whose own spans are beneath it. */
  within<T>(name: string, facts: Facts, work: () => Promise<T>): Promise<T>
  /** Work that was queued, as a part of the trace that queued it; of a trace of its own without `parent`. */
  resume<T>(parent: string | undefined, name: string, facts: Facts, work: () => Promise<T>): Promise<T>
}

export const NO_TRACING: Tracing = {
  on: false,
  current: () => undefined,
  start: () => undefined,
  within: (_name, _facts, work) => work(),
  resume: (_parent, _name, _facts, work) => work(),
}

/** The name of a failure: its code where it has one. */
export function failureOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  return (
    ([code, name].find((text) => typeof text === 'string' && /^\w{1,60}$/.test(text)) as string) ?? 'error'
  )
}
