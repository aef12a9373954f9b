import type { Client } from '../clients/client.ts'
import type { ClientResolver, Resolution } from '../clients/resolver.ts'
import { AppError, invalid } from '../errors.ts'

/** Whom a request is about. */
export interface Who {
  readonly client: Client
  readonly resolution: Resolution & { client: Client }
  /** VAPI's id of the call it is made in, if it names one. It proves nothing: whose call it is is looked up. */
  readonly callId: string | undefined
  /** Our own tools are left out: the assistant has them as functions already. */
  readonly upstreamOnly: boolean
}

/** What a request says about itself, beside the credential that let it in. */
export interface Claims {
  readonly number: string | undefined
  readonly callId: string | undefined
  readonly tools: string | undefined
}

/** Longer is no id of VAPI's. */
const CALL_ID_MAX = 200
/** Value of the header `x-tools` that an assistant sends. */
export const UPSTREAM_ONLY = 'upstream'

/**
 * Answers whom a request is about: the client whose number it names. The credential has been checked before.
 * @throws AppError INVALID_INPUT, CLIENT_UNKNOWN, CLIENT_INACTIVE, DATABASE_UNAVAILABLE
 */
export function createIdentifier({ clients }: { clients: Pick<ClientResolver, 'byNumber'> }) {
  return async ({ number, callId, tools }: Claims): Promise<Who> => {
    if (!number) throw invalid('x-phone-number', 'The header x-phone-number is missing.')
    const found = await clients.byNumber(number)
    if (!found.client)
      throw new AppError(found.reason === 'unknown' ? 'CLIENT_UNKNOWN' : 'DATABASE_UNAVAILABLE')
    if (!found.client.active) throw new AppError('CLIENT_INACTIVE')
    return {
      client: found.client,
      resolution: found,
      callId: callId && callId.length <= CALL_ID_MAX ? callId : undefined,
      upstreamOnly: tools === UPSTREAM_ONLY,
    }
  }
}
