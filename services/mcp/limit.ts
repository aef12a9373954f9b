import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/server'

/** More overflows the context of a voice model. */
export const RESULT_MAX_BYTES = 32 * 1024

const size = (value: unknown) => Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value))

const note = (whole: number, max: number) =>
  `[Cut: the result has ${Math.ceil(whole / 1024)} KiB, of which at most ${Math.floor(max / 1024)} KiB are given. ` +
  'Ask for less, for example with a filter or a limit.]'

/** The result with at most `max` bytes of content in UTF-8; if something had to go, the last block says so. */
export function limitResult(result: CallToolResult, max: number): CallToolResult {
  const { structuredContent, content, ...rest } = result
  const sizes = content.map((block) => size(block.type === 'text' ? block.text : block))
  const whole =
    sizes.reduce((sum, bytes) => sum + bytes, 0) + (structuredContent ? size(structuredContent) : 0)
  if (whole <= max) return result

  const notice = note(whole, max)
  let left = Math.max(0, max - size(notice))
  const kept: ContentBlock[] = []
  for (const [index, block] of content.entries()) {
    const bytes = sizes[index] ?? 0
    if (bytes <= left) kept.push(block)
    else if (block.type === 'text' && left > 0) kept.push({ ...block, text: cutBytes(block.text, left) })
    left = Math.max(0, left - bytes)
  }
  // The structured form says the same again; half of it would fit no schema.
  return { ...rest, content: [...kept, { type: 'text', text: notice }] }
}

/** At most `max` bytes of UTF-8, ending with a whole character. */
function cutBytes(text: string, max: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(max))
  return text.slice(0, read)
}
