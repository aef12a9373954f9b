/**
 * Text that PostgreSQL takes: NUL is refused in `text` and `jsonb`, and a lone surrogate has no UTF-8 form.
 * Transcripts of speech recognisers have been seen to hold both.
 */
export function cleanText(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', '') : text).toWellFormed()
}

/** PostgreSQL, and this process, run out of stack on JSON that is nested some thousand levels deep. */
const DEPTH_MAX = 100

/** The same for every string and key of a JSON value; what is nested deeper than 100 levels becomes null. A copy. */
export function cleanJson(value: unknown, depth = DEPTH_MAX): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (value === null || typeof value !== 'object') return value
  if (depth === 0) return null
  if (Array.isArray(value)) return value.map((inner) => cleanJson(inner, depth - 1))
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [cleanText(key), cleanJson(inner, depth - 1)]),
  )
}

/** One line that can be spoken: line breaks and runs of blanks become one blank. */
export function singleLine(text: string): string {
  // U+0085 is a line break, though not one for \s.
  return cleanText(text)
    .replace(/[\s\u0085]+/gu, ' ')
    .trim()
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Cuts to at most `max` UTF-16 code units (what VAPI counts) without splitting an emoji or a letter from its accent. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text
  let end = 0
  for (const { index, segment } of graphemes.segment(text)) {
    if (index + segment.length > max) break
    end = index + segment.length
  }
  return text.slice(0, end).trimEnd()
}
