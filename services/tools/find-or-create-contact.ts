import { Type } from '@sinclair/typebox'
import { AppError, invalid } from '../errors.ts'
import type { Contact } from '../ghl/contacts.ts'
import { toE164 } from '../phone.ts'
import { defineTool, type ToolContext } from './define.ts'

export const ContactShape = Type.Object({
  id: Type.String(),
  name: Type.Optional(Type.String()),
  firstName: Type.Optional(Type.String()),
  lastName: Type.Optional(Type.String()),
  email: Type.Optional(Type.String()),
  phone: Type.Optional(Type.String()),
})

/** Who the caller says they are. The number of the caller id goes before anything that is said. */
export const callerInput = {
  name: Type.Optional(
    Type.String({ maxLength: 200, description: "The caller's full name, as they said it" }),
  ),
  email: Type.Optional(
    Type.String({ maxLength: 254, description: "The caller's e-mail address, if they gave one" }),
  ),
  phone: Type.Optional(
    Type.String({
      maxLength: 40,
      description: 'A number to call back. Only needed if the caller id is withheld.',
    }),
  ),
}

interface Identity {
  name?: string | undefined
  email?: string | undefined
  phone?: string | undefined
}

/**
 * The CRM contact of the caller: looked up by phone and e-mail at once, the phone's match going first, and
 * created where there is none.
 * @throws AppError INVALID_INPUT if there is neither number nor e-mail; UpstreamError
 */
export async function findOrCreate(
  { ghl, caller }: Pick<ToolContext, 'ghl' | 'caller'>,
  given: Identity,
): Promise<{ contact: Contact; existed: boolean }> {
  const email = readEmail(given.email)
  const phone = caller.number ?? readPhone(given.phone)
  if (!phone && !email) throw invalid('phone', 'A phone number or an e-mail address is needed. Ask for one.')
  const [byPhone, byEmail] = await Promise.all([
    phone ? ghl.contacts.byPhone(phone) : undefined,
    email ? ghl.contacts.byEmail(email) : undefined,
  ])
  const found = byPhone ?? byEmail
  if (found) return { contact: found, existed: true }
  const { contact, created } = await ghl.contacts.upsert({ phone, email, name: given.name?.trim() })
  return { contact, existed: !created }
}

export const findOrCreateContact = defineTool({
  name: 'find_or_create_contact',
  description:
    "Saves the caller in the business's customer records, or finds them there. Use it once you know the caller's " +
    'name. The number they call from is known already.',
  input: Type.Object(callerInput),
  output: Type.Object({
    contactId: Type.String(),
    existed: Type.Boolean({ description: 'Whether the contact was in the CRM already' }),
    contact: ContactShape,
  }),

  async run(context, input) {
    const { contact, existed } = await findOrCreate(context, input)
    return { contactId: contact.id, existed, contact }
  },

  say({ existed, contact }, { caller }) {
    // Only a caller id proves who is calling; on somebody's word no name is read out.
    const known = existed && caller.number && contact.name
    if (known) return `The caller is on file as ${contact.name}.`
    return existed ? 'The caller is on file.' : 'The caller has been saved as a new contact.'
  },

  contactOf: ({ contactId }) => contactId,
})

function readEmail(value: string | undefined): string | undefined {
  const email = value?.trim().toLowerCase()
  if (!email) return undefined
  if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) {
    throw new AppError('INVALID_INPUT', {
      field: 'email',
      detail: 'email is not an e-mail address.',
      advice: 'That is not a complete e-mail address. Ask the caller to spell it.',
    })
  }
  return email
}

function readPhone(value: string | undefined): string | undefined {
  if (!value?.trim()) return undefined
  const phone = toE164(value)
  if (!phone) throw invalid('phone', 'phone is not a phone number. Ask for it again, with the area code.')
  return phone
}
