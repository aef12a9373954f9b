/** Somebody who wants to know what is logged as an error; he comes later than the logger. */
export interface ErrorTap {
  onError?: (facts: Readonly<Record<string, unknown>>, message: string) => void
}
