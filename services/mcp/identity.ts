import type { Access } from '../auth/admission.ts'
import type { WhoIsMeant } from '../auth/identity.ts'
import type { Client } from '../clients/client.ts'
import type { Resolution } from '../clients/resolver.ts'
import { AppError, invalid } from '../errors.ts'

/** Whom a request is about. */
export interface Who {
  readonly client: Client
  readonly resolution: Resolution & { client: Client }
  /**
   * VAPI's id of the call it is made in, if there is one. Without the call's token it proves nothing: whose call it is
   * is looked up.
   */
  readonly callId: string | undefined
  /** The caller's number, E.164, as far as the call's token tells. */
  readonly caller: string | undefined
  /** Our own tools are left out: the assistant has them as functions already. */
  readonly upstreamOnly: boolean
}

/** What a request says about itself, beside the credential that let it in. */
export interface Claims {
  readonly access: Access | undefined
  readonly number: string | undefined
  readonly callId: string | undefined
  readonly tools: string | undefined
}

/** Longer is no id of VAPI's. */
const CALL_ID_MAX = 200
/** Value of the header `x-tools` that an assistant sends. */
export const UPSTREAM_ONLY = 'upstream'

/**
 * Answers whom a request is about: the client of the call whose token it has, else the client whose number it names.
 * @throws AppError INVALID_INPUT, FORBIDDEN, CLIENT_UNKNOWN, CLIENT_INACTIVE, DATABASE_UNAVAILABLE
 */
export function createIdentifier({ whoIsMeant }: { whoIsMeant: WhoIsMeant }) {
  return async ({ access, number, callId, tools }: Claims): Promise<Who> => {
    if (!number && !access?.call) throw invalid('x-phone-number', 'The header x-phone-number is missing.')
    const { resolution: found, ...call } = await whoIsMeant(access, { number, callId })
    if (!found.client)
      throw new AppError(found.reason === 'unknown' ? 'CLIENT_UNKNOWN' : 'DATABASE_UNAVAILABLE')
    if (!found.client.active) throw new AppError('CLIENT_INACTIVE')
    return {
      client: found.client,
      resolution: found,
      callId: call.callId && call.callId.length <= CALL_ID_MAX ? call.callId : undefined,
      caller: call.caller,
      upstreamOnly: tools === UPSTREAM_ONLY,
    }
  }
}
