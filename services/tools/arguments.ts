import type { Static, TObject } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { invalid } from '../errors.ts'
import { cleanJson } from '../text.ts'

/**
 * What a language model sends, made to fit: numbers as text and the like are converted, what it leaves empty
 * is absent, and what the tool does not know, such as an id it made up, is dropped.
 * @throws AppError INVALID_INPUT naming the argument
 */
export function readArguments<T extends TObject>(
  schema: T,
  given: Readonly<Record<string, unknown>>,
): Static<T> {
  const known = Object.keys(schema.properties).flatMap((name) => {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    const empty = value === undefined || value === null || (typeof value === 'string' && !value.trim())
    return empty ? [] : [[name, cleanJson(value)] as const]
  })
  const input = Value.Clean(schema, Value.Convert(schema, Object.fromEntries(known)))
  const problem = Value.Errors(schema, input).First()
  if (!problem) return input as Static<T>
  const field = problem.path.slice(1)
  throw invalid(
    field,
    (input as Record<string, unknown>)[field] === undefined
      ? `${field} is missing.`
      : `${field}: ${problem.message}.`,
  )
}
