import type { JSONValue, PendingQuery, Row } from 'postgres'
import type { Runner } from './pool.ts'

/** A runner that can hold several statements together. */
export interface Scoped extends Runner {
  begin<T>(work: (tx: Runner) => Promise<T>): Promise<T>
}

/** Settings of PostgreSQL for the length of one transaction. */
export type Settings = Readonly<Record<string, string>>

/** What row-level security lets through (migration 005): the rows of one client … */
export const ofClient = (clientId: string): Settings => ({ 'app.client_id': clientId })
/** … or of all of them, for what is about all: whose call it is, retention, the queue. */
export const OF_ALL_CLIENTS: Settings = { 'app.all_clients': 'on' }

/**
 * Has each statement, or each transaction, run under `settings`, which end with it: nothing of them is left on a
 * connection that somebody else uses next. They travel together with the first statement, so a transaction costs
 * three ways to the database and back, whatever the settings.
 */
export function scopedBy(settings: Settings, pool: Scoped): Scoped {
  const begin = <T>(work: (tx: Runner) => Promise<T>) =>
    pool.begin(async (tx) => {
      const set = Promise.resolve(
        tx`select set_config(key, value, true) from jsonb_each_text(${tx.json(settings)}::jsonb)`,
      )
      // If it fails, so does what follows it, and that is what is told.
      set.catch(() => {})
      const value = await work(tx)
      await set
      return value
    })

  /**
   * A statement in a transaction of its own. Until it is awaited, in whatever way, it can be a fragment of another;
   * the driver's own query must never start, for it would run outside of the scope.
   */
  function alone<Q extends PromiseLike<unknown>>(query: Q, run: (tx: Runner) => PromiseLike<unknown>): Q {
    let settled: Promise<unknown> | undefined
    const start = () => {
      settled ??= begin(async (tx) => run(tx))
      return settled
    }
    return Object.defineProperties(query, {
      // biome-ignore lint/suspicious/noThenProperty: a query is a promise, and this is how it is one
      then: { value: (...on: Parameters<Promise<unknown>['then']>) => start().then(...on) },
      catch: { value: (on: () => unknown) => start().catch(on) },
      finally: { value: (on: () => void) => start().finally(on) },
    })
  }

  const run = (strings: TemplateStringsArray, ...values: never[]) =>
    alone(pool(strings, ...values), (tx) => tx(strings, ...values))
  return Object.assign(run, {
    begin,
    json: (value: JSONValue) => pool.json(value),
    unsafe: (text: string, values: unknown[] = []): PendingQuery<Row[]> =>
      alone(pool.unsafe(text, values), (tx) => tx.unsafe(text, values)),
  }) as unknown as Scoped
}
