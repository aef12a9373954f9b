/** A line of the table. */
export interface Row {
  measure: string
  ours: string
  /** What it is held against, and what that showed. */
  against: string
  theirs: string
  /** Ours to theirs, or what the aim is about. */
  result: string
  aim: string
  /** Undefined where there is no aim. */
  met?: boolean
}

export interface Machine {
  processor: string
  cores: number
  memoryGb: number
  node: string
  postgres: string
  durable: boolean
  date: string
  command: string
  minutes: number
}

export const times = (ratio: number) => `${ratio.toFixed(2)} ×`
export const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 1)} ms`
export const perSecond = (value: number) => `${Math.round(value).toLocaleString('en-US')}/s`
export const micros = (value: number) => `${Math.round(value)} µs`
export const kb = (bytes: number) => `${(bytes / 1_024).toFixed(1)} KB`
export const mb = (bytes: number) => `${Math.round(bytes / 1_048_576)} MB`

const HEAD = ['measure', 'this server', 'floor or peer', 'its figure', 'result', 'aim', '']
const cellsOf = (row: Row) => [
  row.measure,
  row.ours,
  row.against,
  row.theirs,
  row.result,
  row.aim,
  row.met === undefined ? '' : row.met ? 'met' : 'missed',
]

/** For people at a terminal, and for Markdown as well. */
export function tableOf(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cellsOf)]
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0), 3))
  const text = lines.map((line) => `| ${line.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(' | ')} |`)
  return [text[0], `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...text.slice(1)].join('\n')
}

/** `docs/performance.md`. */
export function documentOf(rows: readonly Row[], machine: Machine): string {
  return `# Performance

Written by \`npm run bench\`: every figure here was measured in one run on one machine, and running it again writes this
file again. What another machine shows is another table; the ratios are what carries over.

- Machine: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGb} GB
- Node ${machine.node}, PostgreSQL ${machine.postgres}${machine.durable ? '' : ' with fsync off: commits are not durable here'}
- ${machine.date}, \`${machine.command}\`, ${machine.minutes} minutes

${tableOf(rows)}

## How to read it

Servers, load and database are processes of their own on the same machine, and share its cores. Contestants of a row are
measured in turn, slice by slice, over several starts of the servers; a figure is the median of its slices, and a ratio
the median of the ratios of neighbouring slices. Figures within one start differ by 0.05, between starts by 0.10. "CPU"
is the processor time of the server for one answer, of all its threads: it depends less on what else the machine does
than requests a second do.

All servers run with what the image sets: the same heap, the same young generation, one arena of memory.

- **Bare Fastify route** and **bare node:http** read the same request and send the same bytes as this server; the former
  writes the same log line. They know no client, check no token and look nothing up. Beside them this server writes each
  answered call into its timeline (the largest part, with what PostgreSQL does for it), counts and measures, signs a
  token for the call and fills in the assistant's words. Their sources are in \`bench/servers/\`.
- **Express** is the straightforward way to write the same: a \`Map\` as cache, the assistant built and made into JSON for
  each request, two log lines; no token for the call, no timeline, no metrics. Most of its time goes into
  \`toLocaleString\`, which makes a formatter each time; **Express, tuned** remembers the date for a minute and makes no
  ETag, and is the fairer peer.
- **A cold number**: the assistant of a client that is met for the first time is built and made into JSON while the phone
  rings. Its template is made at the second call.
- **A report** is one statement, as is its floor. This one also asks whether the call was erased, merges what is known with
  what is new whatever came first, keeps what was told for the timeline and queues the work, all under row-level
  security; and the queue is fed and worked on meanwhile. The CRM does not answer while reports are measured.
- **CPU** of two instances: the load takes part of the two cores, so the figure that counts is how much dearer an answer
  becomes when both are busy.

The aims were set before the first line was written. A row that misses its aim says so.
`
}
