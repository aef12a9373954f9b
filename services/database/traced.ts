import { type EndSpan, failureOf, type Tracing } from '../tracing.ts'
import type { Database, Runner } from './pool.ts'
import type { Scoped } from './scope.ts'

/** The same database, with a span for each statement and each transaction that is part of a trace. */
export function traced(sql: Database, tracing: Tracing): Database {
  return Object.assign(scoped(sql, tracing), {
    forClient: (clientId: string) => scoped(sql.forClient(clientId), tracing),
    forAllClients: scoped(sql.forAllClients, tracing),
    forOwnScope: (clientId: string) => runner(sql.forOwnScope(clientId), tracing),
    script: (text: string) => sql.script(text),
    end: () => sql.end(),
  })
}

function scoped(sql: Scoped, tracing: Tracing): Scoped {
  return Object.assign(runner(sql, tracing), {
    begin: <T>(work: (tx: Runner) => Promise<T>) =>
      tracing.within('db transaction', SYSTEM, () => sql.begin((tx) => work(runner(tx, tracing)))),
  })
}

function runner(sql: Runner, tracing: Tracing): Runner {
  const run = (strings: TemplateStringsArray, ...values: unknown[]) =>
    spanned(sql(strings, ...values), () => tracing.start(`db ${summaryOf(strings.join('?'))}`, SYSTEM))
  return Object.assign(run, {
    json: sql.json,
    unsafe: (text: string, values?: unknown[]) =>
      spanned(sql.unsafe(text, values), () => tracing.start(`db ${summaryOf(text)}`, SYSTEM)),
  }) as Runner
}

const SYSTEM = { 'db.system.name': 'postgresql' }

/** A statement starts when it is awaited, and may be a fragment of another until then: so the span hangs on `then`. */
function spanned<Q extends PromiseLike<unknown>>(query: Q, start: () => EndSpan | undefined): Q {
  const then = query.then.bind(query)
  let settled: Promise<unknown> | undefined
  return Object.defineProperty(query, 'then', {
    configurable: true,
    value: (ok?: (value: unknown) => unknown, bad?: (error: unknown) => unknown) => {
      settled ??= new Promise((resolve, reject) => {
        const end = start()
        then(
          (value) => {
            end?.()
            resolve(value)
          },
          (error) => {
            end?.({}, failureOf(error))
            reject(error)
          },
        )
      })
      return settled.then(ok, bad)
    },
  })
}

const VERB =
  /\b(insert into|(?<!\bdo )(?<!\bfor )update|delete from|from)\s+(?:only\s+)?([a-z_]\w*(?:\.\w+)?)/

/** What a statement does to which table, such as `insert into call_events`. Its text stays here: some hold values. */
function summaryOf(text: string): string {
  const [, verb, table] = VERB.exec(text) ?? []
  if (!verb) return 'statement'
  return `${verb === 'from' ? 'select' : verb} ${table}`
}
