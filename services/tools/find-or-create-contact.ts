import { Type } from '@sinclair/typebox'
import { toE164 } from '../phone.ts'
import { callerInput, findOrCreate } from './caller.ts'
import { defineTool } from './define.ts'

export const ContactShape = Type.Object({
  id: Type.String(),
  name: Type.Optional(Type.String()),
  firstName: Type.Optional(Type.String()),
  lastName: Type.Optional(Type.String()),
  email: Type.Optional(Type.String()),
  phone: Type.Optional(Type.String()),
})

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
    const { existed, completed } = await findOrCreate(context, input)
    const contact = await completed
    return { contactId: contact.id, existed, contact }
  },

  say({ existed, contact }, { caller }) {
    // Only a caller id proves who is calling; on somebody's word no name is read out.
    const proven = caller.number !== undefined && toE164(contact.phone) === caller.number
    if (existed && proven && contact.name) return `The caller is on file as ${contact.name}.`
    return existed ? 'The caller is on file.' : 'The caller has been saved as a new contact.'
  },

  contactOf: ({ contactId }) => contactId,
})
