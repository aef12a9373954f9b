import postgres, { type JSONValue, type PendingQuery, type Row } from 'postgres'
import { connect } from './connection.ts'
import { OF_ALL_CLIENTS, ofClient, type Scoped, type Settings, scopedBy } from './scope.ts'

type Rows = readonly (object | undefined)[]

/** What a repository needs to run a statement: the pool, or a transaction handed down to it. */
export interface Runner {
  // biome-ignore lint/suspicious/noExplicitAny: the driver's own constraint for values inside a template
  <T extends Rows = Row[]>(strings: TemplateStringsArray, ...values: any[]): PendingQuery<T & Row[]>
  json(value: JSONValue): postgres.Parameter
  unsafe(text: string, values?: unknown[]): PendingQuery<Row[]>
}

/**
 * The pool. `await sql`…`` and `sql.begin` reject with DatabaseTimeout when the deadline has passed. By itself it
 * sees no row that belongs to a client (row-level security): those are reached through one of the scopes.
 */
export interface Database extends Scoped {
  /** Sees and changes the rows of one client (a UUID), whatever a statement's `where` says or forgets. */
  forClient(clientId: string): Scoped
  /** Sees the rows of every client: for what is about all of them. */
  readonly forAllClients: Scoped
  /** For a single statement that sets its own scope: without a transaction where that is possible. */
  forOwnScope(clientId: string): Runner
  /** Runs statements that hold BEGIN and COMMIT themselves, on a connection of their own. Answers all rows. */
  script(text: string): Promise<Row[]>
  end(): Promise<void>
}

export interface DatabaseOptions {
  url: string
  /** The role as which statements run; undefined: as whoever the address names. */
  role?: string | undefined
  /**
   * A pooler stands between that gives a connection away after each transaction. Then nothing is prepared, and what
   * else is said of a connection is said at the beginning of each transaction.
   */
  pooled?: boolean
  /** Connections at most. */
  max?: number
  /** Milliseconds after which a query or a transaction counts as lost. */
  deadlineMs?: number
  /** Told when the pool was thrown away and made anew. */
  onReplaced?: () => void
}

/** No answer from PostgreSQL within the deadline. Whether the statement was carried out is not known. */
export class DatabaseTimeout extends Error {
  override readonly name = 'DatabaseTimeout'
  readonly code = 'DATABASE_TIMEOUT'
}

/** VAPI repeats a lifecycle message that is refused at once; one that hangs costs a call. So: short. */
export const QUERY_DEADLINE_MS = 1_200
/** The connection went away under a query, or is just about to. */
function isLost(error: unknown): boolean {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  return severity === 'FATAL' || /^(CONNECTION_|ECONN|EPIPE|ETIMEDOUT)/.test(String(code))
}

/**
 * A transaction that sends nothing once its connection is gone. The driver would send ROLLBACK, or the next
 * statement, to a socket that no longer exists and throw where nobody can catch it, which ends the process
 * (issues 1154 and 1208). It rejects the transaction by itself when the connection closes.
 */
function transaction<T>(sql: postgres.Sql, work: (tx: Runner) => Promise<T>): Promise<T> {
  const never = new Promise<never>(() => {})
  let gone: unknown
  const done = sql.begin(async (tx) => {
    const alive = () => {
      if (gone) throw gone
      return tx
    }
    const guarded = Object.assign(
      (strings: TemplateStringsArray, ...values: never[]) => alive()(strings, ...values),
      {
        json: (value: JSONValue) => tx.json(value),
        unsafe: (text: string, values: unknown[] = []) => alive().unsafe(text, values as never[]),
      },
    )
    try {
      const value = await work(guarded as unknown as Runner)
      return gone ? never : value
    } catch (error) {
      return gone || isLost(error) ? never : Promise.reject(error)
    }
  })
  done.catch((error) => {
    gone = error
  })
  return done as Promise<T>
}

/** This many lost queries in a row, and the connections are taken for dead. */
const TIMEOUTS_BEFORE_REPLACEMENT = 3
/** A statement nobody waits for any more ends on the server too and gives its locks back. */
const STATEMENT_TIMEOUT_MS = 5_000
const IDLE_IN_TRANSACTION_MS = 10_000

/**
 * A `postgres` pool in which no query waits for ever.
 *
 * In postgres 3.4 a query on a half-open connection never settles (issue 1089). Here the pool is thrown away
 * after some lost queries in a row, or when one is still under way long after the server must have ended it,
 * which is what a single dead connection among live ones looks like. So it is, without a word, when a
 * connection breaks (see connection.ts).
 */
export function createDatabase(options: DatabaseOptions): Database {
  const deadlineMs = options.deadlineMs ?? QUERY_DEADLINE_MS
  const statementTimeoutMs = Math.max(STATEMENT_TIMEOUT_MS, deadlineMs)
  const session: Settings = {
    statement_timeout: String(statementTimeoutMs),
    idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_MS),
    ...(options.role && { role: options.role }),
  }
  const settings = {
    idle_timeout: 300,
    max_lifetime: 1_800,
    prepare: !options.pooled,
    connection: { application_name: '1000x-agent', ...(!options.pooled && session) },
    types: {
      // pg-boss hands over JSON that is text already; the driver would quote it a second time.
      json: {
        to: 114,
        from: [114, 3802],
        serialize: (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value)),
        parse: (text: string) => JSON.parse(text),
      },
    },
  }
  function open() {
    const opened = connect(options.url, { ...settings, max: options.max ?? 10 }, () => {
      if (opened === pool) renew()
    })
    return opened
  }

  let pool = open()
  let lost = 0
  let ended = false

  /** Other connections for whatever comes from now on. What still works on the old ones may finish. */
  function renew() {
    if (ended) return
    const old = pool
    pool = open()
    lost = 0
    void old.close(1)
  }

  function replace() {
    renew()
    options.onReplaced?.()
  }

  /** Runs the query of a pool; settles within the deadline whatever the driver does. */
  function within<T>(
    start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
  ): Promise<T> {
    const askedOf = pool
    return new Promise<T>((resolve, reject) => {
      const replaceIf = (dead: () => boolean) => {
        if (askedOf === pool && dead()) replace()
      }
      let settled = false
      const expire = () => {
        if (settled) return
        reject(new DatabaseTimeout(`no answer from the database within ${deadlineMs} ms`))
        timer = setTimeout(replaceIf, 2 * statementTimeoutMs, () => true).unref()
        replaceIf(() => ++lost >= TIMEOUTS_BEFORE_REPLACEMENT)
      }
      // Where this process itself was held up, the answer may have come and not been read: it is read first.
      let timer = setTimeout(() => setImmediate(expire), deadlineMs)
      start(
        (value) => {
          settled = true
          clearTimeout(timer)
          if (askedOf === pool) lost = 0
          resolve(value)
        },
        (error) => {
          settled = true
          clearTimeout(timer)
          // An answer, if a bad one: the connection lives. A refused or broken connection says nothing new.
          if (askedOf === pool && error instanceof postgres.PostgresError) lost = 0
          reject(error)
        },
      )
    })
  }

  /**
   * The driver's queries start when they are awaited, so the deadline is hung on `then`. The query itself
   * stays what it is and can still be used as a fragment inside another one.
   */
  function withDeadline<Q extends PromiseLike<unknown>>(query: Q): Q {
    const then = query.then.bind(query)
    let settled: Promise<unknown> | undefined
    return Object.defineProperty(query, 'then', {
      // A scope runs the statement in a transaction of its own instead.
      configurable: true,
      value: (ok?: (value: unknown) => unknown, bad?: (error: unknown) => unknown) => {
        settled ??= within((resolve, reject) => void then(resolve, reject))
        return settled.then(ok, bad)
      },
    })
  }

  const run = (strings: TemplateStringsArray, ...values: never[]) =>
    withDeadline(pool.sql(strings, ...values))
  const plain = Object.assign(run, {
    json: (value: JSONValue) => pool.sql.json(value),
    unsafe: (text: string, values: unknown[] = []) => withDeadline(pool.sql.unsafe(text, values as never[])),
    begin: <T>(work: (tx: Runner) => Promise<T>) =>
      within<T>((resolve, reject) => {
        transaction(pool.sql, work).then(resolve, reject)
      }),
  }) as unknown as Scoped

  const always = options.pooled ? session : {}
  const forClient = (clientId: string) => scopedBy({ ...always, ...ofClient(clientId) }, plain)
  return Object.assign(options.pooled ? scopedBy(session, plain) : plain, {
    forClient,
    forAllClients: scopedBy({ ...always, ...OF_ALL_CLIENTS }, plain),
    forOwnScope: (clientId: string) => (options.pooled ? forClient(clientId) : plain),
    // Not on one of the pool: a script that fails leaves its transaction open, and the driver gives a
    // connection that died while it was reserved out again.
    script: async (text: string) => {
      const single = connect(options.url, { ...settings, max: 1 })
      try {
        const run = single.sql.unsafe(text).simple()
        return (await within<unknown[]>((resolve, reject) => run.then(resolve, reject))).flat() as Row[]
      } finally {
        void single.close(0)
      }
    },
    end: () => {
      ended = true
      // Nobody asks any more; a database that does not answer is not waited for.
      return pool.close(1)
    },
  })
}
