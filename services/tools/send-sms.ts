import { Type } from '@sinclair/typebox'
import { AppError } from '../errors.ts'
import { UpstreamError } from '../upstream.ts'
import { findOrCreate } from './caller.ts'
import { defineTool } from './define.ts'
import { provenContactId } from './own-appointments.ts'

/** Three segments of a text message; more is not read. */
const SMS_MAX = 480

const UNCERTAIN =
  'It is not certain whether the message was sent. Do not say that it was, and tell the caller what it said.'

export const sendSms = defineTool({
  name: 'send_sms',
  description:
    'Sends a text message to the caller, for example an address or a summary of what was agreed. Use it only if ' +
    'the caller has said yes to a text message.',
  input: Type.Object({
    message: Type.String({
      minLength: 1,
      maxLength: SMS_MAX,
      description: 'What to send, in full sentences',
    }),
  }),
  output: Type.Object({ success: Type.Literal(true), messageId: Type.String(), contactId: Type.String() }),
  actsOnContact: true,
  adviceWhenLate: UNCERTAIN,

  async run(context, input) {
    const contactId = (await provenContactId(context)) ?? (await findOrCreate(context, {})).contact.id
    if (await context.ghl.conversations.refusesSms(contactId)) {
      throw new AppError('SMS_REFUSED')
    }
    try {
      return {
        success: true as const,
        messageId: await context.ghl.conversations.sendSms(contactId, input.message),
        contactId,
      }
    } catch (error) {
      // It is not tried again: one message too many is worse than one that may be missing.
      if (!(error instanceof UpstreamError && error.outcome === 'unknown')) throw error
      throw new AppError('CRM_TIMEOUT', {
        cause: error,
        advice: UNCERTAIN,
      })
    }
  },

  say: () => 'The text message is on its way.',

  contactOf: ({ contactId }) => contactId,
})
