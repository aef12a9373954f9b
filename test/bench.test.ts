import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'

/** That the benchmark runs to its end and measures what it says; never how fast. */

// It starts some twenty processes, one after the other, on a machine that may do other things.
t.setTimeout(600_000)

const directory = mkdtempSync(path.join(tmpdir(), 'bench-'))
t.teardown(() => rmSync(directory, { recursive: true }))

async function bench(...args: string[]) {
  const child = spawn(process.execPath, ['bench/run.ts', ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      BENCH_DATABASE_URL: process.env.TEST_DATABASE_URL,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const [code] = await once(child, 'close')
  return { code, output }
}

t.test('every scenario is measured, without a request that failed', async (t) => {
  const file = path.join(directory, 'performance.md')
  const { code, output } = await bench('--quick', '--out', file)
  t.equal(code, 0, output)
  const rows = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim()))
  const measures = new Set(rows.slice(2).map(([, measure]) => measure ?? ''))
  for (const measure of [
    /^assistant-request, known client/,
    /cold number, 5,000 clients/,
    /simultaneous requests/,
    /^end-of-call-report/,
    /^a tool call/,
    /^an MCP/,
    /^the same, 16 at once/,
    /^memory of one/,
    /^resident set/,
    /^start/,
    /^two instances/,
  ])
    t.ok(
      [...measures].some((each) => measure.test(each)),
      String(measure),
    )
  const text = rows.flat().join(' ')
  t.notMatch(text, /NaN|Infinity|undefined/)
  t.notMatch(text, /\b[1-9]\d* failures/, 'nothing failed')
  t.match(text, '1 query', 'simultaneous requests for one number cost one query')
})

t.test('a scenario that does not exist is named', async (t) => {
  const { code, output } = await bench('--only', 'warm,lukewarm')
  t.equal(code, 2)
  t.match(output, /no such scenario: lukewarm/)
})
