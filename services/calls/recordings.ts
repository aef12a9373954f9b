import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'
import { UpstreamError } from '../upstream.ts'
import type { VapiApi } from '../vapi/api.ts'
import type { CallRepository } from './repository.ts'

export interface RecordingsOptions {
  calls: Pick<CallRepository, 'recordedCallOf'>
  vapi: VapiApi
  publicUrl: string
  /** The first signs, all open. */
  keys: readonly string[]
}

/**
 * Links to recordings that last. VAPI's own addresses expire within hours or need our private key, so a CRM
 * note carries an address of this server, which asks VAPI for a fresh one at each visit.
 */
export function createRecordings({ calls, vapi, publicUrl, keys }: RecordingsOptions) {
  const mac = (sessionId: string, key: string) =>
    createHmac('sha256', key).update(`recording ${sessionId}`).digest('base64url')

  return {
    /** The lasting address of a session's recording; undefined without a VAPI key to fetch it with. */
    linkOf(sessionId: string): string | undefined {
      const [key] = keys
      return vapi.configured && key
        ? `${publicUrl}/recordings/${sessionId}.${mac(sessionId, key)}`
        : undefined
    },

    /**
     * The address at which the recording can be heard now.
     * @throws AppError RECORDING_UNKNOWN for a link that is not ours or a recording that is gone, VAPI_UNAVAILABLE
     */
    async locate(link: string, signal: AbortSignal): Promise<string> {
      const [sessionId = '', given = '', ...rest] = link.split('.')
      const genuine = rest.length === 0 && keys.some((key) => equal(mac(sessionId, key), given))
      const callId = genuine ? await calls.recordedCallOf(sessionId) : undefined
      if (!callId) throw new AppError('RECORDING_UNKNOWN')
      try {
        return await vapi.recordingUrl(callId, signal)
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error
        throw new AppError(error.status === 404 ? 'RECORDING_UNKNOWN' : 'VAPI_UNAVAILABLE', { cause: error })
      }
    },
  }
}

export type Recordings = ReturnType<typeof createRecordings>

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
