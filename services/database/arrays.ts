/** A type of PostgreSQL in the driver's words. */
interface ArrayType {
  to: number
  from: number[]
  serialize: (items: unknown) => string
  parse: (text: string) => unknown[]
}

/** Ids of the array types that are used here and by the queue, with how an element reads. Fixed in PostgreSQL. */
const ARRAYS: Record<string, [id: number, read: (text: string) => unknown]> = {
  bool: [1000, (text) => text === 't'],
  name: [1003, String],
  int2: [1005, Number],
  int4: [1007, Number],
  text: [1009, String],
  varchar: [1015, String],
  int8: [1016, String],
  float8: [1022, Number],
  timestamptz: [1185, (text) => new Date(text)],
  uuid: [2951, String],
  json: [199, JSON.parse],
  jsonb: [3807, JSON.parse],
}

/**
 * Array types for the driver. By itself it asks the server for them at the start of each connection, and when
 * the connection breaks at that moment, rejects where nobody can catch it, which ends the process.
 */
export const arrayTypes: Record<string, ArrayType> = Object.fromEntries(
  Object.entries(ARRAYS).map(([name, [id, read]]) => [
    `${name}_array`,
    { to: id, from: [id], serialize: write, parse: (text: string) => parse(text, read) },
  ]),
)

function write(items: unknown): string {
  if (!Array.isArray(items)) return String(items)
  return `{${items.map(element).join(',')}}`
}

function element(item: unknown): string {
  if (item === null || item === undefined) return 'NULL'
  if (Array.isArray(item)) return write(item)
  const text =
    item instanceof Date ? item.toISOString() : typeof item === 'object' ? JSON.stringify(item) : String(item)
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** Arrays of one dimension, which is all that is read here. */
function parse(text: string, read: (text: string) => unknown): unknown[] {
  const items = text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/gs)
  return [...items].map(([, quoted, bare]) => {
    if (quoted !== undefined) return read(quoted.replace(/\\(.)/gs, '$1'))
    return bare === 'NULL' ? null : read(bare ?? '')
  })
}
