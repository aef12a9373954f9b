import { placeOf, SecretError, type Secrets } from '../secrets.ts'
import { SEALED_COLUMNS, type SealedColumn, type SealingRepository } from './sealing-repository.ts'

/** Rows a statement changes: some tens of milliseconds, in which a row it holds waits. */
const BATCH = 200
const FIRST_ID = '00000000-0000-0000-0000-000000000000'
/** Counting further would say nothing more. */
const COUNTED_MOST = 1_000
/** What the database's function secret_key says of a value that is under no key, and cannot be read anyway. */
const NOT_KEYS = new Set(['plain', 'none', 'unreadable'])

/** A key under which something is stored is not among the configured ones. */
export class KeyMissing extends Error {
  override readonly name = 'KeyMissing'
}

export interface SealProgress {
  /** `table.column` */
  column: string
  /** Values sealed so far. */
  sealed: number
  /** Values that do not open so far. */
  unreadable: number
}

export interface SealReport {
  columns: SealProgress[]
  /** Rows whose value does not open, some of them. */
  unreadable: { column: string; id: string; code: SecretError['code'] }[]
  /** Keys under which something is still stored besides the first: they have to stay configured. */
  keysInUse: string[]
}

export interface SealingOptions {
  repository: SealingRepository
  secrets: Secrets
}

const UNREADABLE_NAMED = 20

/** Which keys the stored secrets need, and how they all come under the newest. */
export function createSealing({ repository, secrets }: SealingOptions) {
  const [current] = secrets.keyIds

  async function otherKeys(column: SealedColumn): Promise<string[]> {
    const keys = await repository.keysIn(column)
    return keys.filter((key) => key !== current && key !== 'none')
  }

  return {
    /**
     * Holds what is stored against the keys there are. Answers how many of the clients' own tokens are plain (a
     * thousand stands for more).
     * @throws KeyMissing
     */
    async check(): Promise<{ plain: number }> {
      for (const column of SEALED_COLUMNS) {
        const missing = (await repository.keysIn(column)).filter(
          (key) => !NOT_KEYS.has(key) && !secrets.keyIds.includes(key),
        )
        if (missing.length > 0)
          throw new KeyMissing(
            `ENCRYPTION_KEY lacks the key ${missing.join(', ')}, with which values of ${column.table}.${column.column} are sealed: ` +
              'put it behind the first, or the credentials cannot be read.',
          )
      }
      const [tokens] = SEALED_COLUMNS
      return { plain: tokens ? await repository.countUnder(tokens, 'plain', COUNTED_MOST) : 0 }
    },

    /**
     * Seals what is plain, and anew what is under another key than the first, while servers go on: a value that
     * changes meanwhile stays as it was written. May be ended at any point and begun again; what is done stays done.
     */
    async sealAll({
      signal,
      onProgress,
    }: {
      signal: AbortSignal
      onProgress?: (progress: SealProgress) => void
    }): Promise<SealReport> {
      const report: SealReport = { columns: [], unreadable: [], keysInUse: [] }
      for (const column of SEALED_COLUMNS) {
        const name = `${column.table}.${column.column}` as const
        const progress: SealProgress = { column: name, sealed: 0, unreadable: 0 }
        report.columns.push(progress)
        for (const key of await otherKeys(column)) {
          for (let after = FIRST_ID; ; ) {
            signal.throwIfAborted()
            const rows = await repository.page(column, { key, after, limit: BATCH })
            const last = rows.at(-1)
            if (!last) break
            after = last.id
            const values = rows.flatMap(({ id, stored }) => {
              try {
                const place = placeOf(name, id)
                return [{ id, before: stored, after: secrets.seal(secrets.open(stored, place), place) }]
              } catch (error) {
                if (!(error instanceof SecretError)) throw error
                progress.unreadable += 1
                if (report.unreadable.length < UNREADABLE_NAMED)
                  report.unreadable.push({ column: name, id, code: error.code })
                return []
              }
            })
            progress.sealed += await repository.replace(column, values)
            onProgress?.(progress)
          }
        }
      }
      const left = await Promise.all(SEALED_COLUMNS.map(otherKeys))
      report.keysInUse = [...new Set(left.flat())]
      return report
    },
  }
}

export type Sealing = ReturnType<typeof createSealing>
