export interface RepetitionOptions {
  /** Seconds from the end of one run to the next, give or take a half: instances that started together drift apart. */
  everySeconds: number
  work: (signal: AbortSignal) => Promise<unknown>
  /** Told of a run that failed; the next one comes all the same. */
  onError: (error: unknown) => void
}

/** Work that this instance does again and again, one run at a time. */
export function createRepetition({ everySeconds, work, onError }: RepetitionOptions) {
  const closing = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<unknown> = Promise.resolve()

  function start(): void {
    if (closing.signal.aborted) return
    const milliseconds = everySeconds * 1_000 * (0.5 + Math.random())
    timer = setTimeout(() => {
      running = work(closing.signal).catch(onError).finally(start)
    }, milliseconds).unref()
  }

  return {
    start,
    /** Tells a run under way to end, and waits until it has. */
    async stop(): Promise<void> {
      closing.abort()
      clearTimeout(timer)
      await running
    },
  }
}
