/**
 * `npm run test:faults`: breaks things under load and counts what is lost and what is doubled.
 * `-- --only name,name` runs some, `-- --list` names them, `-- --json` prints the rows as JSON.
 * Exit code 1 if anything is lost, doubled or not as it must be.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import type { Row } from './audit.ts'
import { startCluster } from './cluster.ts'
import type { Scenario } from './scenario.ts'
import { betweenScenarios } from './scenarios/between.ts'
import { crmScenarios } from './scenarios/crm.ts'
import { longCrmScenarios } from './scenarios/crm-long.ts'
import { databaseScenarios } from './scenarios/database.ts'
import { instanceScenarios } from './scenarios/instances.ts'
import { itself } from './scenarios/itself.ts'
import { queueScenarios } from './scenarios/queue.ts'
import { closeAll, createScope } from './scope.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const scenarios: Scenario[] = [
  itself,
  ...queueScenarios,
  ...instanceScenarios,
  ...databaseScenarios,
  ...crmScenarios,
  ...longCrmScenarios,
  ...betweenScenarios,
]

/** Scenarios that wait for everything to arrive, beside the one that breaks things. */
const WAITING_AT_ONCE = 3

const print = (text: string) => void process.stdout.write(`${text}\n`)
/** Progress goes past what is piped. */
const tell = (text: string) => void process.stderr.write(`${text}\n`)

const wanted = values.only.flatMap((names) => names.split(','))
const strange = wanted.filter((name) => !scenarios.some((scenario) => scenario.name === name))
if (strange.length > 0) {
  tell(`There is no scenario ${strange.join(', ')}; --list names them all.`)
  process.exit(2)
}
if (values.list) {
  for (const { name, title } of scenarios) print(`${name.padEnd(24)} ${title}`)
  process.exit(0)
}

let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true
    tell(`${signal}: cleaning up`)
    void closeAll().finally(() => process.exit(130))
  })
}

const begun = performance.now()
const since = (start: number) => Math.round((performance.now() - start) / 1_000)
const rows: Row[] = []
const scope = createScope()
try {
  const cluster = await startCluster(scope)
  const waiting = new Set<Promise<void>>()
  for (const scenario of scenarios.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    if (interrupted) break
    const { promise: calm, resolve } = Promise.withResolvers<void>()
    const done = play(scenario, { cluster, calm: resolve }).then((row) => {
      rows.push(row)
      tell(
        `${row.objections.length === 0 ? ' ok ' : 'FAIL'}  ${row.scenario} (${row.seconds} s) ${row.remark}`,
      )
      for (const objection of row.objections.slice(0, 10)) tell(`      ${objection}`)
      waiting.delete(done)
    })
    waiting.add(done)
    await Promise.race([calm, done])
    while (waiting.size > WAITING_AT_ONCE) await Promise.race(waiting)
  }
  await Promise.all(waiting)
} finally {
  await scope.close()
}
report()

async function play(scenario: Scenario, stage: Parameters<Scenario['run']>[0]): Promise<Row> {
  const start = performance.now()
  const nothing = { calls: 0, acknowledged: 0, inDatabase: 0, inCrm: 0, lost: 0, doubled: 0, unheard: 0 }
  const none = { ...nothing, p50: undefined, max: undefined, genericMax: undefined }
  const missing = scenario.missing?.()
  if (missing)
    return { scenario: scenario.name, ...none, objections: [], seconds: 0, remark: `NOT RUN: ${missing}` }
  tell(`      ${scenario.name}: ${scenario.title} …`)
  try {
    const { remark = '', ...findings } = await scenario.run(stage)
    return { scenario: scenario.name, ...findings, seconds: since(start), remark }
  } catch (error) {
    const [first, second = ''] = String(error instanceof Error ? error.stack : error).split('\n')
    const objections = [`it could not be played: ${first} ${second.trim()}`]
    return { scenario: scenario.name, ...none, objections, seconds: since(start), remark: '' }
  }
}

function report() {
  rows.sort((a, b) => place(a) - place(b))
  const failed = rows.some(({ objections, lost, doubled }) => objections.length + lost + doubled > 0)
  process.exitCode = failed ? 1 : 0
  if (values.json) {
    print(JSON.stringify(rows, undefined, 2))
    return
  }
  const table = new Table({
    head: [
      ...['scenario', 'calls', 'acknowl.', 'in DB', 'in CRM', 'lost', 'doubled'],
      ...['ring p50', 'max', 'generic', 'unheard', 's', ''],
    ],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', ...Array.from({ length: 11 }, () => 'right' as const), 'left'],
  })
  const ms = (value: number | undefined) => (value === undefined ? '' : `${value} ms`)
  for (const row of rows) {
    table.push([
      ...[row.scenario, row.calls, row.acknowledged, row.inDatabase, row.inCrm, row.lost, row.doubled],
      ...[ms(row.p50), ms(row.max), ms(row.genericMax), row.unheard, row.seconds],
      row.objections.length === 0 ? row.remark || 'ok' : 'FAILED',
    ])
  }
  print(table.toString())
  const sum = (pick: (row: Row) => number) => rows.reduce((total, row) => total + pick(row), 0)
  const notRun = rows.filter(({ remark }) => remark.startsWith('NOT RUN'))
  print(
    `${rows.length - notRun.length} scenarios, ${sum((row) => row.calls)} calls, ` +
      `${sum((row) => row.lost)} lost, ${sum((row) => row.doubled)} doubled, ${since(begun)} s`,
  )
  for (const { scenario, remark } of notRun) print(`${scenario}: ${remark}`)
  for (const row of rows) for (const objection of row.objections) print(`${row.scenario}: ${objection}`)
}

function place({ scenario }: Row): number {
  return scenarios.findIndex(({ name }) => name === scenario)
}
