import { createParser } from 'eventsource-parser'
import { parseJson } from '../upstream.ts'

export interface MessageReader {
  /** Takes what has arrived, however it is cut: within a line ending or a letter, too. */
  feed(chunk: Uint8Array): void
  /** No more will come. What is complete but for its last blank line is handed on. */
  end(): void
}

/**
 * Reads JSON messages from a stream of server-sent events and hands on each at once.
 * Comments, and events without JSON in them, are passed over.
 */
export function createMessageReader(onMessage: (message: unknown) => void): MessageReader {
  const decoder = new TextDecoder()
  const parser = createParser({
    onEvent({ data }) {
      const message = parseJson(data)
      if (message !== undefined) onMessage(message)
    },
  })
  let afterCarriageReturn = false

  /**
   * A lone CR ends a line too. The parser waits for what follows one, since it may be a CR LF cut in two, and so
   * holds back a message that is complete; it is given line feeds only.
   */
  function lines(text: string): string {
    if (text === '') return text
    const rest = afterCarriageReturn && text.startsWith('\n') ? text.slice(1) : text
    afterCarriageReturn = text.endsWith('\r')
    return rest.includes('\r') ? rest.replace(/\r\n?/g, '\n') : rest
  }

  return {
    feed: (chunk) => parser.feed(lines(decoder.decode(chunk, { stream: true }))),
    end: () => parser.feed(`${lines(decoder.decode())}\n\n`),
  }
}
