import type { Dispatcher } from 'undici'
import { createSender, UpstreamError } from '../upstream.ts'

const DEADLINE_MS = 8_000

export interface VapiOptions {
  baseUrl: string
  /** The private key; without it nothing can be asked. */
  apiKey: string | undefined
  dispatcher: Dispatcher
}

/** The VAPI api. Everything throws UpstreamError. */
export function createVapiApi({ baseUrl, apiKey, dispatcher }: VapiOptions) {
  const send = createSender({ baseUrl, dispatcher, deadlineMs: DEADLINE_MS })
  const headers = { authorization: `Bearer ${apiKey}` }

  return {
    configured: apiKey !== undefined,

    /** A fresh, short-lived address of a call's recording: VAPI answers 302 with it. */
    async recordingUrl(callId: string, signal: AbortSignal): Promise<string> {
      const path = `/call/${encodeURIComponent(callId)}/mono-recording`
      const { status, headers: answer } = await send({ method: 'GET', path, headers, signal })
      const location = answer.location
      if (status < 300 || typeof location !== 'string' || !/^https?:\/\//.test(location)) {
        throw new UpstreamError('GET /call/:id/mono-recording', 'no address in the answer', {
          status: 502,
          outcome: 'none',
        })
      }
      return location
    },
  }
}

export type VapiApi = ReturnType<typeof createVapiApi>
