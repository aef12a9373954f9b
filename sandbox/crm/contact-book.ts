import type { ContactBody } from './contact-schemas.ts'
import { badRequest, unprocessable } from './errors.ts'
import type { LocationState, SandboxContact } from './records.ts'
import type { Store } from './store.ts'
import { newId } from './store.ts'
import { isTimeZone } from './validation.ts'

/** Punctuation aside, a number is kept as sent: a missing `+` or country code is not made up. */
export const normalPhone = (phone: string): string => phone.replace(/[\s().-]/g, '')

export const normalEmail = (email: string): string => email.trim().toLowerCase()

export const fullName = (contact: Pick<SandboxContact, 'firstName' | 'lastName'>): string =>
  [contact.firstName, contact.lastName].filter((part) => part !== undefined && part !== '').join(' ')

export type MatchingField = 'email' | 'phone'

export interface Match {
  contact: SandboxContact
  field: MatchingField
}

/** The contact a location already has for these, in GoHighLevel's default order: email, then phone. */
export function findMatch(
  location: LocationState,
  wanted: { email?: string | null; phone?: string | null },
  except?: SandboxContact,
): Match | undefined {
  const find = (is: (each: SandboxContact) => boolean) =>
    location.contacts.find((each) => each !== except && is(each))
  if (wanted.email) {
    const email = normalEmail(wanted.email)
    const contact = find((each) => each.email !== undefined && normalEmail(each.email) === email)
    if (contact) return { contact, field: 'email' }
  }
  if (wanted.phone) {
    const phone = normalPhone(wanted.phone)
    const contact = find((each) => each.phone === phone)
    if (contact) return { contact, field: 'phone' }
  }
  return undefined
}

export function refuseDuplicate(match: Match): never {
  throw badRequest('This location does not allow duplicated contacts.', {
    meta: {
      contactId: match.contact.id,
      contactName: fullName(match.contact),
      matchingField: match.field,
    },
  })
}

function checkMeaning(body: ContactBody): void {
  const complaints: string[] = []
  if (body.timezone && !isTimeZone(body.timezone)) complaints.push('timezone must be a valid IANA time zone')
  for (const [index, field] of (body.customFields ?? []).entries()) {
    if (!field.id && !field.key) complaints.push(`customFields.${index}.id should not be empty`)
  }
  if (complaints.length > 0) throw unprocessable(...complaints)
}

/** Replies carry custom field values as text, whatever type they were sent as. */
const fieldText = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value ?? '')

function withFields(contact: SandboxContact, sent: NonNullable<ContactBody['customFields']>) {
  const fields = new Map(contact.customFields.map((each) => [each.id, each.value]))
  for (const field of sent) fields.set(field.id ?? field.key ?? '', fieldText(field.field_value))
  return [...fields].map(([id, value]) => ({ id, value }))
}

/** `name` is only a way of sending the two halves; GoHighLevel keeps no third field. */
function halves(name: string): { firstName: string; lastName?: string } {
  const [firstName = '', ...rest] = name.trim().split(/\s+/)
  return rest.length === 0 ? { firstName } : { firstName, lastName: rest.join(' ') }
}

/** Writes what was sent into the contact: null empties a field, tags replace, custom fields are merged by id. */
function applyBody(contact: SandboxContact, body: ContactBody): void {
  const { name, tags, customFields, phone, ...plain } = body
  const changes: Record<string, unknown> = { ...(name ? halves(name) : {}), ...plain }
  if (phone !== undefined) changes.phone = phone === null ? null : normalPhone(phone)
  if (tags !== undefined) changes.tags = [...new Set(tags)]
  if (customFields !== undefined) changes.customFields = withFields(contact, customFields)
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) Reflect.deleteProperty(contact, key)
    else if (value !== undefined) Reflect.set(contact, key, value)
  }
}

export function addContact(store: Store, location: LocationState, body: ContactBody): SandboxContact {
  checkMeaning(body)
  const at = store.timestamp()
  const contact: SandboxContact = {
    id: newId(),
    locationId: location.id,
    type: 'lead',
    dnd: false,
    tags: [],
    customFields: [],
    notes: [],
    tasks: [],
    messages: [],
    dateAdded: at,
    dateUpdated: at,
  }
  applyBody(contact, body)
  location.contacts.push(contact)
  store.contacts.set(contact.id, contact)
  store.commit(location.id, 'contact.created', contact.id, contact)
  return contact
}

export function changeContact(store: Store, contact: SandboxContact, body: ContactBody): SandboxContact {
  checkMeaning(body)
  applyBody(contact, body)
  contact.dateUpdated = store.timestamp()
  store.commit(contact.locationId, 'contact.updated', contact.id, contact)
  return contact
}

/** The contact as GoHighLevel shows it; notes, tasks and messages have endpoints of their own. */
export function contactReply(contact: SandboxContact): Record<string, unknown> {
  const { notes: _notes, tasks: _tasks, messages: _messages, ...rest } = contact
  const name = fullName(contact)
  return {
    ...rest,
    ...(name === '' ? {} : { name, fullNameLowerCase: name.toLowerCase() }),
    ...(contact.firstName === undefined ? {} : { firstNameLowerCase: contact.firstName.toLowerCase() }),
    ...(contact.lastName === undefined ? {} : { lastNameLowerCase: contact.lastName.toLowerCase() }),
    ...(contact.email === undefined ? {} : { emailLowerCase: normalEmail(contact.email) }),
  }
}
