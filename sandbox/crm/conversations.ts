import { Type } from '@sinclair/typebox'
import { type CrmApp, type CrmContext, contactOf } from './context.ts'
import { badRequest, unprocessable } from './errors.ts'
import type { SandboxContact, SandboxMessage } from './records.ts'
import { newId } from './store.ts'
import { digits, email, oneOf, someText, strict } from './validation.ts'

const text = Type.Optional(Type.String())
const texts = Type.Optional(Type.Array(Type.String()))

const messageBody = strict({
  type: oneOf(['SMS', 'RCS', 'Email', 'WhatsApp', 'IG', 'FB', 'Custom', 'Live_Chat', 'TIKTOK']),
  subType: text,
  contactId: someText,
  appointmentId: text,
  attachments: texts,
  emailFrom: text,
  emailCc: texts,
  emailBcc: texts,
  html: text,
  message: text,
  subject: text,
  replyMessageId: text,
  templateId: text,
  threadId: text,
  /** Seconds since 1970, unlike every other time of this API; a count of milliseconds is refused. */
  scheduledTimestamp: Type.Optional(Type.Integer({ maximum: 1e11 })),
  conversationProviderId: text,
  customSubtypeId: text,
  forward: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  usesNativeSchedulingAi: Type.Optional(Type.Boolean()),
  optimizationPeriod: Type.Optional(oneOf(['24h', '48h', '72h'])),
  emailTo: Type.Optional(email),
  emailReplyMode: Type.Optional(oneOf(['reply', 'reply_all'])),
  fromNumber: text,
  toNumber: text,
  status: Type.Optional(oneOf(['delivered', 'failed', 'pending', 'read'])),
})

const searchQuery = strict({ locationId: someText, contactId: text, limit: Type.Optional(digits) })

/** Do-not-disturb holds when it is on for everything or for this channel. */
function refusesChannel(contact: SandboxContact, channel: 'SMS' | 'Email'): boolean {
  const setting = contact.dndSettings?.[channel]?.status
  return contact.dnd || setting === 'active' || setting === 'permanent'
}

/** Sending; one thread per contact, made by itself. Delivery is never simulated: a message stays pending. */
export function conversationRoutes(app: CrmApp, context: CrmContext): void {
  const { store } = context
  const threads = new Map<string, string>()

  const threadOf = (contact: SandboxContact): string => {
    const id = threads.get(contact.id) ?? newId()
    threads.set(contact.id, id)
    return id
  }

  app.get('/conversations/search', { schema: { querystring: searchQuery } }, (request) => {
    const { locationId, contactId, limit = '20' } = request.query
    const { contacts } = context.gate.named(request, locationId)
    const conversations = contacts
      .filter(({ id }) => threads.has(id) && (contactId === undefined || id === contactId))
      .map(({ id }) => ({ id: threads.get(id), contactId: id, locationId }))
    return { conversations: conversations.slice(0, Number(limit)), total: conversations.length }
  })

  app.post('/conversations/messages', { schema: { body: messageBody } }, (request, reply) => {
    const { contactId, type, ...content } = request.body
    if (type === 'SMS' && !content.message && !content.attachments?.length) {
      throw unprocessable('message or attachments should not be empty')
    }
    if (type === 'Email' && !content.html && !content.message) {
      throw unprocessable('html or message should not be empty')
    }
    const contact = contactOf(context, request, contactId)
    if (type !== 'SMS' && type !== 'Email')
      throw badRequest(`No ${type} channel is connected to this location.`)
    if (refusesChannel(contact, type)) throw badRequest(`Cannot send message as DND is active for ${type}.`)
    if (type === 'SMS' && !contact.phone && !content.toNumber) throw badRequest('Missing phone number')
    if (type === 'Email' && !contact.email && !content.emailTo) throw badRequest('Missing email')

    const message: SandboxMessage = {
      ...content,
      id: newId(),
      conversationId: threadOf(contact),
      contactId: contact.id,
      type,
      status: 'pending',
      dateAdded: store.timestamp(),
    }
    contact.messages.push(message)
    store.commit(contact.locationId, 'message.sent', message.id, message)
    return reply.code(201).send({
      conversationId: message.conversationId,
      messageId: message.id,
      ...(type === 'Email' ? { emailMessageId: newId() } : {}),
      status: message.status,
      msg: 'Message queued successfully.',
    })
  })
}
