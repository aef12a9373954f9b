import { randomUUID } from 'node:crypto'
import type { Client } from '../clients/client.ts'
import type { Resolution } from '../clients/resolver.ts'
import { AppError, invalid } from '../errors.ts'
import type { Caller, CallerRepository } from '../mcp/repository.ts'
import type { ToolUser } from '../tools/runner.ts'
import type { Access } from './admission.ts'
import type { Claims, Meant, WhoIsMeant } from './identity.ts'

export interface CallersOptions {
  whoIsMeant: WhoIsMeant
  callerOf: CallerRepository['callerOf']
  log: { warn(facts: object, message: string): void }
}

/** Who is phoning, for the doors at which only the call is known. */
export function createCallers({ whoIsMeant, callerOf, log }: CallersOptions) {
  /** Without the database tools still work; they know the caller's number if the call has proved it, else nobody. */
  async function inCall(
    client: Pick<Client, 'id'>,
    meant: Pick<Meant, 'callId' | 'caller'>,
  ): Promise<Caller> {
    const { callId, caller: number } = meant
    try {
      const kept = callId ? await callerOf(client.id, callId) : undefined
      return { number: number ?? kept?.number, contactId: kept?.contactId }
    } catch (error) {
      log.warn({ client: client.id, call: callId, err: error }, 'who is calling cannot be looked up')
      return { number, contactId: undefined }
    }
  }

  return {
    inCall,

    /**
     * Who uses a tool over REST: a program that is trusted, which says for which client and contact, or the assistant
     * of a call, which can only act for that call's caller.
     * @throws AppError INVALID_INPUT, FORBIDDEN, UNAUTHORIZED
     */
    async overRest(
      access: Access | undefined,
      { contactId, ...says }: Claims & { contactId: string | undefined },
    ): Promise<{ resolution: Resolution; user: ToolUser }> {
      if (!access?.call && says.clientId === undefined) throw invalid('client_id', 'client_id is required')
      const meant = await whoIsMeant(access, says)
      const { resolution, callId } = meant
      if (!access?.call || !callId || !resolution.client) return { resolution, user: { contactId } }
      const caller = await inCall(resolution.client, meant)
      if (contactId !== undefined && contactId !== caller.contactId) throw new AppError('FORBIDDEN')
      return { resolution, user: { ...caller, call: { id: callId, toolCallId: `rest:${randomUUID()}` } } }
    },
  }
}

export type Callers = ReturnType<typeof createCallers>
