import { Type } from '@sinclair/typebox'
import { AppError, invalid } from '../errors.ts'
import type { Contact } from '../ghl/contacts.ts'
import { toE164 } from '../phone.ts'
import { singleLine } from '../text.ts'
import { UpstreamError } from '../upstream.ts'
import type { ToolContext } from './define.ts'

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

export interface Introduction {
  name?: string | undefined
  email?: string | undefined
  phone?: string | undefined
}

type Person = Pick<ToolContext, 'ghl' | 'caller' | 'call' | 'log' | 'client'>

export interface FoundContact {
  contact: Contact
  existed: boolean
  /** The contact when what the caller said of themselves has been added to it. Never rejects. */
  completed: Promise<Contact>
}

/**
 * The CRM contact of the caller: looked up by phone and e-mail at once, the phone's match going first, and
 * created where there is none. One that is there gets the name and e-mail address it lacks; that goes on while
 * the caller of this function does other things.
 * @throws AppError INVALID_INPUT if there is neither number nor e-mail; UpstreamError
 */
export async function findOrCreate(person: Person, given: Introduction): Promise<FoundContact> {
  const { ghl, caller } = person
  const name = readName(given.name)
  const email = readEmail(given.email)
  const phone = caller.number ?? readPhone(given.phone)
  if (!phone && !email) {
    // Told before in this call, perhaps.
    const contactId = await caller.contactId
    const known = contactId ? await ghl.contacts.byId(contactId) : undefined
    if (known) return { contact: known, existed: true, completed: complete(person, known, { name }) }
    throw invalid('phone', 'A phone number or an e-mail address is needed. Ask for one.')
  }
  const {
    contact,
    existed,
    by,
    emailElsewhere,
    complete: readable,
  } = await ghl.contacts.findOrCreate({
    phone,
    email,
    name,
  })
  const addable = emailElsewhere || by !== 'phone' || !isProven(person) ? undefined : email
  const missing = existed && readable ? { name, email: addable } : {}
  return { contact, existed, completed: complete(person, contact, missing) }
}

/**
 * The id of the caller's contact, found or created unless the call knows it. Whatever is missing on it is added
 * in the background.
 * @throws AppError INVALID_INPUT; UpstreamError
 */
export async function contactIdOf(person: Person, given: Introduction): Promise<string> {
  const contactId = await person.caller.contactId
  if (!contactId) return (await findOrCreate(person, given)).contact.id
  const name = readName(given.name)
  const email = isProven(person) ? readEmail(given.email) : undefined
  if (name || email) void completeById(person, contactId, { name, email })
  return contactId
}

/**
 * Whether it is certain who is calling: by the caller id, or because a program that is trusted says so. On
 * somebody's word no e-mail address is written to a record, where it would receive what is meant for another.
 */
const isProven = ({ call, caller }: Person) => !call || caller.number !== undefined

async function completeById(person: Person, contactId: string, said: Introduction): Promise<void> {
  try {
    const contact = await person.ghl.contacts.byId(contactId)
    if (contact) await complete(person, contact, said)
  } catch (error) {
    person.log.warn({ client: person.client.id, err: error }, 'a contact could not be read')
  }
}

/** Adds what the contact lacks, and never changes what it has. Never rejects. */
async function complete(person: Person, contact: Contact, said: Introduction): Promise<Contact> {
  const names = missingName(contact, said.name)
  const email = contact.email || !said.email ? undefined : { email: said.email }
  const steps = [{ ...names, ...email }, ...(names && email ? [names] : [])]
  for (const fields of steps.filter((step) => Object.keys(step).length > 0)) {
    try {
      await person.ghl.contacts.update(contact.id, fields)
      return withName({ ...contact, ...fields })
    } catch (error) {
      person.log.warn({ client: person.client.id, err: error }, 'a contact could not be completed')
      // An address that is another contact's is refused, and the name with it: the name is tried alone.
      if (!(error instanceof UpstreamError) || error.unanswered) break
    }
  }
  return contact
}

/** The first name, the last name or both, if the contact lacks them and they do not contradict what it has. */
function missingName(contact: Contact, said: string | undefined): Partial<Contact> | undefined {
  if (!said) return undefined
  const [firstName = '', ...rest] = said.split(' ')
  const lastName = rest.join(' ')
  if (!contact.name) return lastName ? { firstName, lastName } : { firstName }
  const same = contact.firstName?.toLowerCase() === firstName.toLowerCase()
  return same && !contact.lastName && lastName ? { lastName } : undefined
}

function withName(contact: Contact): Contact {
  const name = [contact.firstName, contact.lastName].filter(Boolean).join(' ')
  return name ? { ...contact, name } : contact
}

const readName = (value: string | undefined) => singleLine(value ?? '') || undefined

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
