import { cleanText } from './text.ts'

/** Reading JSON that others send: every field may be missing or something else than it should be. */

/** The value if it is an object, else the fallback, else nothing. */
export function record(value: unknown, fallback: Record<string, unknown> = {}): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : fallback
}

/** The value if it is text with something in it, fit for the database. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? cleanText(value) || undefined : undefined
}

/** The first of the values that is text. */
export function firstText(...values: unknown[]): string | undefined {
  for (const value of values) {
    const found = text(value)
    if (found) return found
  }
  return undefined
}

/** Whether a JSON value has more than `levels` levels of objects and arrays. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  // A report has a thousand values, almost all of them text: none is looked into, and no array is copied.
  const inner: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  for (const each of inner) {
    if (typeof each === 'object' && each !== null && isDeeperThan(each, levels - 1)) return true
  }
  return false
}
