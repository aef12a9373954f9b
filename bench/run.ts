/**
 * `npm run bench`: measures this server against floors and peers on this machine, prints a table and writes it to
 * docs/performance.md. It reports and asserts nothing: machines are noisy.
 *
 *   --quick            half a minute instead of ten, with figures that say nothing; writes nothing unless told where to
 *   --only warm,cold   some of the scenarios; writes nothing unless told where to
 *   --out FILE         where to write the document
 *
 * It uses an embedded PostgreSQL, or with BENCH_DATABASE_URL a database of its own on that server.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from '../services/database/embedded.ts'
import { createBenchDatabase } from './database.ts'
import { KNOWN } from './messages.ts'
import { startLoad } from './processes.ts'
import type { Bench, Scenario } from './scenario.ts'
import { cold } from './scenarios/cold.ts'
import { instances } from './scenarios/instances.ts'
import { mcp } from './scenarios/mcp.ts'
import { memory } from './scenarios/memory.ts'
import { endOfCallReports } from './scenarios/reports.ts'
import { start } from './scenarios/start.ts'
import { together } from './scenarios/together.ts'
import { toolCalls } from './scenarios/tool-call.ts'
import { warm } from './scenarios/warm.ts'
import { documentOf, type Machine, type Row, tableOf } from './table.ts'

const SCENARIOS: readonly Scenario[] = [
  warm,
  cold,
  together,
  endOfCallReports,
  toolCalls,
  mcp,
  memory,
  start,
  instances,
]

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    out: { type: 'string' },
  },
})
const names = values.only?.split(',')
const strange = names?.filter((name) => !SCENARIOS.some((each) => each.name === name)) ?? []
if (strange.length > 0) {
  console.error(
    `no such scenario: ${strange.join(', ')}; there are ${SCENARIOS.map(({ name }) => name).join(', ')}`,
  )
  process.exit(2)
}
const chosen = SCENARIOS.filter(({ name }) => names?.includes(name) ?? true)
const { quick } = values
const out = values.out ?? (quick || names ? undefined : 'docs/performance.md')

const begun = performance.now()
const directory = path.resolve('.data/bench', String(process.pid))
mkdirSync(directory, { recursive: true })
const cluster = path.join(directory, 'postgres')
const given = process.env.BENCH_DATABASE_URL
const embedded = given ? undefined : await startEmbeddedPostgres({ directory: cluster })
let drop: (() => Promise<void>) | undefined
const load = startLoad(path.join(directory, 'load.log'))
try {
  const clients = quick ? KNOWN + 4_000 : 1_000_000
  say(`filling a database with ${clients.toLocaleString('en-US')} clients`)
  const database = await createBenchDatabase(given ?? embedded?.url ?? '', clients)
  drop = () => database.drop()
  const pace = quick
    ? { starts: 1, rounds: 1, extent: { amount: 40 } }
    : { starts: 3, rounds: 3, extent: { seconds: 2 } }
  const bench: Bench = { quick, ...pace, database, load, directory }

  const rows: Row[] = []
  for (const scenario of chosen) {
    say(scenario.name)
    const found = await inTime(scenario, bench)
    await database.forgetWork()
    for (const row of found)
      say(`  ${row.measure} | ${row.against}: ${row.result} (aim ${row.aim || 'none'})`)
    rows.push(...found)
  }
  console.log(`\n${tableOf(rows)}`)
  const machine: Machine = {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    postgres: database.version,
    durable: database.durable,
    date: new Date().toISOString().slice(0, 10),
    command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(
      ' ',
    ),
    minutes: Math.ceil((performance.now() - begun) / 60_000),
  }
  if (out) {
    mkdirSync(path.dirname(out), { recursive: true })
    writeFileSync(out, documentOf(rows, machine))
    console.log(`\nwritten to ${out}`)
  }
} finally {
  await load.stop()
  await drop?.()
  await embedded?.stop()
  rmSync(directory, { recursive: true, force: true })
}

function say(text: string) {
  console.log(`${String(Math.round((performance.now() - begun) / 1_000)).padStart(4)} s  ${text}`)
}

/** A scenario that hangs must not hold the machine, and one that is interrupted leaves nothing behind. */
async function inTime(scenario: Scenario, bench: Bench): Promise<Row[]> {
  const { name, patienceSeconds } = scenario
  const { promise: ended, reject: end } = Promise.withResolvers<never>()
  const interrupt = () => end(new Error('interrupted'))
  const late = () => end(new Error(`${name} did not end within ${patienceSeconds} s`))
  const timer = setTimeout(late, patienceSeconds * 1_000)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt)
  try {
    return await Promise.race([scenario.run(bench), ended])
  } finally {
    clearTimeout(timer)
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt)
  }
}
