import type { ClientResolver, Resolution } from '../clients/resolver.ts'
import { AppError } from '../errors.ts'
import { toE164 } from '../phone.ts'
import type { Access } from './admission.ts'
import type { ProvenCall } from './call-tokens.ts'

/** What a request says of itself, in its headers or its body. */
export interface Claims {
  /** The client's id. */
  readonly clientId?: string | undefined
  /** The client's number, in any notation. */
  readonly number?: string | undefined
  /** VAPI's id of the call. */
  readonly callId?: string | undefined
  /** The caller's number, E.164. */
  readonly caller?: string | undefined
}

/** Whom a request is about. */
export interface Meant {
  readonly resolution: Resolution
  readonly callId: string | undefined
  /** The client's number, as it rang. */
  readonly number: string | undefined
  /** The caller's number, E.164. */
  readonly caller: string | undefined
}

export interface IdentityOptions {
  clients: Pick<ClientResolver, 'byId' | 'byNumber'>
  log: { error(facts: object, message: string): void }
}

/** Says whom a request is about: the same for every door. */
export function createIdentity({ clients, log }: IdentityOptions) {
  /** By the number first: under it the client came into memory when the phone rang, and is there without database. */
  async function ownerOf({ clientId, number }: ProvenCall): Promise<Resolution> {
    const rung = await clients.byNumber(number)
    return rung.client?.id === clientId ? rung : clients.byId(clientId)
  }

  async function named({ clientId, number }: Claims): Promise<Resolution> {
    const found = await clients.byId(clientId)
    return found.client || found.reason === 'unavailable' ? found : clients.byNumber(number)
  }

  async function lookedUp(looking: Promise<Resolution>, callId: string | undefined): Promise<Resolution> {
    try {
      return await looking
    } catch (error) {
      log.error({ call: callId, err: error }, 'the client could not be looked up')
      return { client: undefined, reason: 'unavailable' }
    }
  }

  /**
   * With a call's token it is that call and its client, and what the request says may not contradict it. Without,
   * it is whom the request names: its client, or the client of its number; that it may be believed has been proved.
   * A database that is away is told in the resolution.
   * @throws AppError FORBIDDEN if it names another client or call; UNAUTHORIZED if it has proved nothing
   */
  return async function whoIsMeant(access: Access | undefined, says: Claims): Promise<Meant> {
    if (!access) throw new AppError('UNAUTHORIZED')
    const { call } = access
    if (call) {
      if (contradicts(call, says)) throw new AppError('FORBIDDEN')
      const resolution = await lookedUp(ownerOf(call), call.callId)
      return { resolution, callId: call.callId, number: call.number, caller: call.caller }
    }
    const { callId, number, caller } = says
    return { resolution: await lookedUp(named(says), callId), callId, number: toE164(number), caller }
  }
}

export type WhoIsMeant = ReturnType<typeof createIdentity>

/** Whether a request that came with the token of a call names another client or another call. */
export function contradicts(call: ProvenCall, { clientId, number, callId }: Claims): boolean {
  return (
    (clientId !== undefined && clientId.toLowerCase() !== call.clientId) ||
    (number !== undefined && toE164(number) !== call.number) ||
    (callId !== undefined && callId !== call.callId)
  )
}
