/**
 * Text that PostgreSQL takes: NUL is refused in `text` and `jsonb`, and a lone surrogate has no UTF-8 form.
 * Transcripts of speech recognisers have been seen to hold both.
 */
export function cleanText(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', '') : text).toWellFormed()
}

/** The same for every string and key of a JSON value. Returns a copy. */
export function cleanJson(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (Array.isArray(value)) return value.map(cleanJson)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [cleanText(key), cleanJson(inner)]))
}

/** One line that can be spoken: line breaks and runs of blanks become one blank. */
export function singleLine(text: string): string {
  return cleanText(text).replace(/\s+/gu, ' ').trim()
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
