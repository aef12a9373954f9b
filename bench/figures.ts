/** What a slice of load showed. */
export interface Figures {
  /** Answers a second, only those that were as they should be. */
  rate: number
  /** Milliseconds until an answer was complete. */
  p50: number
  p99: number
  /** Requests that failed, or were answered with another status than 2xx. */
  failures: number
  answers: number
  /** Microseconds of the server's processor for an answer, where it was a server that answered. */
  cpu?: number
}

/** The value below which so much (0 to 1) of a sorted list lies. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  if (Number.isInteger(middle))
    return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
  return sorted[Math.floor(middle)] ?? Number.NaN
}

export function figuresOf(milliseconds: readonly number[], seconds: number, failures: number): Figures {
  const sorted = Float64Array.from(milliseconds).sort()
  const answers = sorted.length
  return {
    rate: answers / seconds,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    failures,
    answers,
  }
}
