import { createLookup, type LookupOptions } from '../../services/cache.ts'

export interface Value {
  readonly name: string
}

/** A source whose answers are given by hand, one question at a time. */
export function createSource() {
  const questions: { key: string; answer(value: Value | undefined): void; fail(): void }[] = []
  return {
    questions,
    load: (key: string) =>
      new Promise<Value | undefined>((resolve, reject) => {
        questions.push({ key, answer: resolve, fail: () => reject(new Error('the source is down')) })
      }),
    /** The newest question about a key. */
    last(key: string) {
      const question = questions.findLast((asked) => asked.key === key)
      if (!question) throw new Error(`nobody asked for ${key}`)
      return question
    },
  }
}

export function lookup(options: Partial<LookupOptions<Value>> = {}) {
  const source = createSource()
  const cache = createLookup<Value>({
    load: source.load,
    max: 100,
    ttlMs: 60_000,
    patienceMs: 5_000,
    ...options,
  })
  return { source, cache }
}

/** A source with a table behind it, which counts how often it is asked. */
export function createTable(rows: Record<string, Value> = {}) {
  const table = { rows, asked: 0, down: false }
  const load = async (key: string) => {
    table.asked += 1
    if (table.down) throw new Error('the source is down')
    return table.rows[key]
  }
  return Object.assign(table, { load })
}
