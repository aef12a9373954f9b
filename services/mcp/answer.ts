import type { Progress } from '@modelcontextprotocol/server'
import type { Dispatcher } from 'undici'
import { parseJson } from '../upstream.ts'
import { createMessageReader } from './sse.ts'

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

/**
 * The answer among what comes. The rest of the body is read to its end, so that the connection can be used again.
 * @throws if it ends without one, is cut off or too large
 */
export function answerIn(
  body: Dispatcher.ResponseData['body'],
  type: string,
  onProgress: ((progress: Progress) => void) | undefined,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const take = (message: unknown) => {
    const said = (message ?? {}) as Answer
    if (said.id === REQUEST_ID && said.method === undefined) resolve(said)
    else if (said.method === 'notifications/progress' && said.params?.progressToken === PROGRESS_TOKEN) {
      const { progressToken: _ours, ...progress } = said.params
      onProgress?.(progress)
    }
  }
  const reader = type.startsWith('text/event-stream') ? createMessageReader(take) : createDocumentReader(take)
  let bytes = 0
  body.on('data', (chunk: Uint8Array) => {
    bytes += chunk.byteLength
    if (bytes > ANSWER_MAX_BYTES) body.destroy(new Error('the answer is too large'))
    else reader.feed(chunk)
  })
  body.on('end', () => {
    reader.end()
    reject(new Error('the answer ended before it was complete'))
  })
  body.on('error', reject)
  return promise
}

/** An answer that is one JSON document. */
function createDocumentReader(onMessage: (message: unknown) => void) {
  const chunks: Uint8Array[] = []
  return {
    feed: (chunk: Uint8Array) => void chunks.push(chunk),
    end: () => onMessage(parseJson(Buffer.concat(chunks).toString())),
  }
}
