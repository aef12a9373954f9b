import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { BenchDatabase } from './database.ts'
import { type Figures, median } from './figures.ts'
import type { Extent, Job } from './load.ts'
import { TOKEN } from './messages.ts'
import { type Load, run, type Server, startServer } from './processes.ts'
import type { Row } from './table.ts'

/** What every scenario is given. */
export interface Bench {
  readonly quick: boolean
  /** How often servers are started anew: figures of one start lie closer to each other than those of two. */
  readonly starts: number
  /** Slices each contestant has within one start, in turn with the others. */
  readonly rounds: number
  /** Length of a slice. */
  readonly extent: Extent
  readonly database: BenchDatabase
  readonly load: Load
  /** Files of this run, removed when it is over. */
  readonly directory: string
}

export interface Scenario {
  readonly name: string
  /** Seconds it takes at most, by which a run that hangs is ended. */
  readonly patienceSeconds: number
  run(bench: Bench): Promise<Row[]>
}

let files = 0

const start = (bench: Bench, file: string, env: Record<string, string>, args: string[] = []) =>
  startServer(file, { args, env, logFile: path.join(bench.directory, `server-${files++}.log`) })

/** Some server of the benchmark, or of the sandbox. It has as much memory to take as this server has. */
export const startPeer = async (
  bench: Bench,
  file: string,
  env: Record<string, string> = {},
  args: string[] = [],
): Promise<Server> => start(bench, file, { ...ofTheImage(bench), ...env }, args)

/** What the image sets, after the server has been built and compiled as it is for an image (Dockerfile). */
function ofTheImage(bench: Bench): Record<string, string> {
  const dockerfile = readFileSync(path.resolve(import.meta.dirname, '../Dockerfile'), 'utf8')
  const lines = dockerfile.matchAll(/^ENV (.+)$/gm).map(([, line = '']) => line)
  const set = lines.flatMap((line) => [...line.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g)])
  const env: Record<string, string> = {}
  for (const [, name = '', quoted, bare] of set) env[name] = quoted ?? bare ?? ''
  const cache = path.join(bench.directory, 'compile-cache')
  env.NODE_COMPILE_CACHE = cache
  if (!existsSync(cache)) {
    run(['scripts/build.ts'])
    run(['--eval', "import('./dist/app.js')"], env)
  }
  return env
}

/** This server, as in production. */
export const startOurs = async (bench: Bench, env: Record<string, string> = {}): Promise<Server> =>
  start(bench, 'dist/server.js', {
    ...ofTheImage(bench),
    PUBLIC_URL: 'https://agent.example.com',
    DATABASE_URL: bench.database.url,
    VAPI_WEBHOOK_TOKEN: TOKEN,
    VAPI_CREDENTIAL_ID: 'cred_bench',
    ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
    // Nobody is there: what a scenario does not start, it does not want to be called.
    VAPI_BASE_URL: 'http://127.0.0.1:9',
    GHL_BASE_URL: 'http://127.0.0.1:9',
    GHL_MCP_URL: 'http://127.0.0.1:9/mcp/',
    ...env,
  })

export interface Contestant {
  slice(extent: Extent): Promise<Figures>
  stop?(): Promise<void>
}

/** A server that is sent these requests as fast as it goes, on so many connections. */
export const flooded = (
  { load }: Pick<Bench, 'load'>,
  server: Server,
  { requests, connections }: Pick<Extract<Job, { kind: 'flood' }>, 'requests' | 'connections'>,
) => ({
  slice: (extent: Extent) =>
    load.run({ kind: 'flood', url: server.url, requests, connections, ...extent }, [server]),
  stop: server.stop,
})

/**
 * Slices of all contestants in turn, over several starts. The first slice of each start is for warming up and does
 * not count. What disturbs the machine for a while disturbs all of them.
 */
export async function inTurn<Name extends string>(
  { starts, rounds, extent }: Pick<Bench, 'starts' | 'rounds' | 'extent'>,
  start: () => Promise<Record<Name, Contestant>>,
): Promise<Record<Name, Figures[]>> {
  const seen = {} as Record<Name, Figures[]>
  for (let n = 0; n < starts; n += 1) {
    const contestants = Object.entries(await start()) as [Name, Contestant][]
    try {
      for (let round = -1; round < rounds; round += 1)
        for (const [name, contestant] of contestants) {
          const figures = await contestant.slice(extent)
          if (figures.answers === 0) throw new Error(`${name} answered nothing`)
          seen[name] ??= []
          if (round >= 0) seen[name].push(figures)
        }
    } finally {
      await Promise.all(contestants.map(([, { stop }]) => stop?.()))
    }
  }
  return seen
}

type Field = 'rate' | 'p50' | 'p99' | 'cpu'

export const typical = (figures: readonly Figures[], field: Field) =>
  median(figures.map((each) => each[field] ?? Number.NaN))

/** The median of the ratios of slices that were taken one after the other. */
export const ratioOf = (ours: readonly Figures[], theirs: readonly Figures[], field: Field) =>
  median(ours.map((each, n) => (each[field] ?? Number.NaN) / (theirs[n]?.[field] ?? Number.NaN)))

export const failuresOf = (figures: readonly Figures[]) =>
  figures.reduce((sum, each) => sum + each.failures, 0)
