/** Loaded into each server before it starts: tells what it has used, and ends it with the runner. */
export interface Usage {
  /** Processor time of all its threads since the start, in microseconds. */
  cpuMicros: number
  rssBytes: number
  /** What is in use, of the heap and outside of it; after a garbage collection if one was asked for. */
  usedBytes: number
}

export type Question = 'usage' | 'usage after collection'

process.on('message', (question: Question | object) => {
  // The load has other things to be asked.
  if (typeof question === 'object') return
  if (question === 'usage after collection') globalThis.gc?.()
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed, external } = process.memoryUsage()
  const usage: Usage = { cpuMicros: user + system, rssBytes: rss, usedBytes: heapUsed + external }
  process.send?.(usage)
})
process.on('disconnect', () => process.exit())
// To listen for questions is no reason to stay.
process.channel?.unref()
