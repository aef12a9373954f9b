import { UpstreamError } from '../upstream.ts'
import { type GhlScope, type GhlSend, VERSION } from './transport.ts'

/** Messages from one location to its contacts, and what those contacts do not want. */
export function createConversations(send: GhlSend, _scope: GhlScope) {
  return {
    /** Whether the contact has asked for no text messages. */
    async refusesSms(contactId: string): Promise<boolean> {
      const path = `/contacts/${encodeURIComponent(contactId)}`
      const { contact } = await send({ method: 'GET', path, version: VERSION.contacts })
      const { dnd, dndSettings } = (contact ?? {}) as {
        dnd?: unknown
        dndSettings?: { SMS?: { status?: unknown } } | null
      }
      const status = dndSettings?.SMS?.status
      return dnd === true || status === 'active' || status === 'permanent'
    },

    /** Sends a text message. Not repeated by anybody: a lost answer must not become a second message. */
    async sendSms(contactId: string, message: string): Promise<string> {
      const answer = await send({
        method: 'POST',
        path: '/conversations/messages',
        body: { type: 'SMS', contactId, message },
        version: VERSION.calendars,
      })
      if (typeof answer.messageId === 'string' && answer.messageId) return answer.messageId
      throw new UpstreamError('POST /conversations/messages', 'no id in the answer', { outcome: 'unknown' })
    },
  }
}
