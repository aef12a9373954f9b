import type { Progress } from '@modelcontextprotocol/server'
import { parseJson } from '../upstream.ts'
import { createMessageReader, type MessageReader } from './sse.ts'

/** Many times what a tool answers; above it somebody is pouring, and we do not hold the bucket. */
const ANSWER_MAX_BYTES = 8 * 1024 * 1024
/** Each request has a response of its own, so the ids need not differ. */
export const REQUEST_ID = 1
export const PROGRESS_TOKEN = 'call'

export interface Answer {
  id?: unknown
  method?: unknown
  params?: { progressToken?: unknown } & Progress
  result?: unknown
  error?: { code?: number }
}

/** Looks for the answer among what comes. Throws once that is too much. */
export function createAnswerReader(
  type: string,
  onAnswer: (answer: Answer) => void,
  onProgress: ((progress: Progress) => void) | undefined,
): MessageReader {
  const take = (message: unknown) => {
    const said = (message ?? {}) as Answer
    if (said.id === REQUEST_ID && said.method === undefined) onAnswer(said)
    else if (said.method === 'notifications/progress' && said.params?.progressToken === PROGRESS_TOKEN) {
      const { progressToken: _ours, ...progress } = said.params
      onProgress?.(progress)
    }
  }
  const reader = type.startsWith('text/event-stream') ? createMessageReader(take) : createDocumentReader(take)
  let bytes = 0
  return {
    feed(chunk) {
      bytes += chunk.byteLength
      if (bytes > ANSWER_MAX_BYTES) throw new Error('the answer is too large')
      reader.feed(chunk)
    },
    end: reader.end,
  }
}

/** An answer that is one JSON document. */
function createDocumentReader(onMessage: (message: unknown) => void): MessageReader {
  const chunks: Uint8Array[] = []
  return {
    feed: (chunk) => void chunks.push(chunk),
    end: () => onMessage(parseJson(Buffer.concat(chunks).toString())),
  }
}
