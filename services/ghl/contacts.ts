import { UpstreamError } from '../upstream.ts'
import { type GhlScope, type GhlSend, VERSION } from './transport.ts'

/** A contact, reduced to what this product uses. */
export interface Contact {
  id: string
  name?: string
  firstName?: string
  lastName?: string
  email?: string
  phone?: string
}

export interface ContactKey {
  /** E.164 */
  phone?: string | undefined
  email?: string | undefined
  name?: string | undefined
}

/** A contact that stands for a person, and how it came to. */
export interface Identified {
  contact: Contact
  existed: boolean
  /** What it was known by: `created` if by nothing. */
  by: 'phone' | 'email' | 'created'
  /** The e-mail address belongs to another contact, or may do so. */
  emailElsewhere: boolean
  /** All that GHL knows of the contact was read: what is missing is missing there. */
  complete: boolean
}

export interface Note {
  id: string
  body: string
}

/**
 * The contacts of one location, and the notes on them. `searches` are those under way, of all locations: one
 * person who is asked for twice at the same moment is looked for, and created, once.
 */
export function createContacts(send: GhlSend, scope: GhlScope, searches: Map<string, Promise<Identified>>) {
  const version = VERSION.contacts
  const pathOf = (contactId: string) => `/contacts/${encodeURIComponent(contactId)}`

  async function search(query: { number?: string; email?: string }): Promise<Contact | undefined> {
    const answer = await send({
      method: 'GET',
      path: '/contacts/search/duplicate',
      query: { locationId: scope.locationId, ...query },
      version,
    })
    return readContact(answer.contact)
  }

  async function byId(contactId: string): Promise<Contact | undefined> {
    const answer = await send({ method: 'GET', path: pathOf(contactId), version })
    return readContact(answer.contact)
  }

  /** Creates the contact, or finds the one that GHL takes for the same person. */
  async function upsert({ phone, email, name }: ContactKey): Promise<{ contact: Contact; created: boolean }> {
    try {
      const answer = await send({
        method: 'POST',
        path: '/contacts/upsert',
        // Empty fields are left out: GHL refuses `email: ""`, and a name is not to be overwritten with nothing.
        body: {
          locationId: scope.locationId,
          ...(phone && { phone }),
          ...(email && { email }),
          ...(name && { name }),
          source: 'AI receptionist',
        },
        version,
        repeatable: true,
      })
      const contact = readContact(answer.contact)
      if (contact) return { contact, created: answer.new === true }
      throw new UpstreamError('POST /contacts/upsert', 'no contact in the answer', { outcome: 'unknown' })
    } catch (error) {
      const id = duplicateOf(error)
      if (!id) throw error
      return { contact: { id, ...(phone && { phone }), ...(email && { email }) }, created: false }
    }
  }

  async function identify(key: ContactKey): Promise<Identified> {
    const { phone, email } = key
    const [byPhone, byEmail] = await Promise.allSettled([
      phone ? search({ number: phone }) : undefined,
      email ? search({ email }) : undefined,
    ])
    if (byPhone.status === 'rejected') throw byPhone.reason
    if (byPhone.value) {
      const emailElsewhere =
        byEmail.status === 'rejected' || (byEmail.value && byEmail.value.id !== byPhone.value.id) === true
      return { contact: byPhone.value, existed: true, by: 'phone', emailElsewhere, complete: true }
    }
    if (byEmail.status === 'rejected') throw byEmail.reason
    if (byEmail.value)
      return { contact: byEmail.value, existed: true, by: 'email', emailElsewhere: false, complete: true }

    const { contact, created } = await upsert(key)
    if (created) return { contact, existed: false, by: 'created', emailElsewhere: false, complete: true }
    // Somebody else made it a moment ago, or GHL looks at more than it lets us search for.
    const found = await byId(contact.id).catch(() => undefined)
    const known = found ?? contact
    const by = email && known.email?.toLowerCase() === email && known.phone !== phone ? 'email' : 'phone'
    return { contact: known, existed: true, by, emailElsewhere: true, complete: found !== undefined }
  }

  return {
    byPhone: (number: string) => search({ number }),
    byId,
    upsert,

    /**
     * The contact of a person: looked up by phone and e-mail at once, the phone's match going first, and created
     * where there is none. Whoever asks for the same person meanwhile gets the same contact.
     */
    async findOrCreate(key: ContactKey): Promise<Identified> {
      const id = JSON.stringify([scope.clientId, scope.locationId, key.phone ?? key.email])
      for (let other = searches.get(id); other; other = searches.get(id)) {
        const found = await other.catch(() => undefined)
        const by = key.phone ? 'phone' : 'email'
        if (found) return { ...found, existed: true, by: found.by === 'created' ? by : found.by }
      }
      const own = identify(key)
      searches.set(id, own)
      try {
        return await own
      } finally {
        searches.delete(id)
      }
    },

    /** Writes the fields that are given and leaves the others as they are. */
    async update(contactId: string, fields: Partial<Omit<Contact, 'id'>>): Promise<void> {
      await send({ method: 'PUT', path: pathOf(contactId), body: fields, version, repeatable: true })
    },

    async notes(contactId: string): Promise<Note[]> {
      const answer = await send({
        method: 'GET',
        path: `${pathOf(contactId)}/notes`,
        version,
      })
      return Array.isArray(answer.notes) ? answer.notes.flatMap((note) => readNote(note) ?? []) : []
    },

    async addNote(contactId: string, title: string, body: string): Promise<Note> {
      const path = `${pathOf(contactId)}/notes`
      const answer = await send({ method: 'POST', path, body: { title, body }, version })
      const note = readNote(answer.note)
      if (!note)
        throw new UpstreamError('POST /contacts/:id/notes', 'no note in the answer', { outcome: 'unknown' })
      return note
    },

    async updateNote(contactId: string, noteId: string, title: string, body: string): Promise<void> {
      const path = `${pathOf(contactId)}/notes/${encodeURIComponent(noteId)}`
      await send({ method: 'PUT', path, body: { title, body }, version })
    },

    /** Deletes a note. One that is not there, or no longer, is no failure. */
    async removeNote(contactId: string, noteId: string): Promise<void> {
      const path = `${pathOf(contactId)}/notes/${encodeURIComponent(noteId)}`
      await send({ method: 'DELETE', path, version, repeatable: true }).catch((error: unknown) => {
        if (!(error instanceof UpstreamError) || error.status !== 404) throw error
      })
    },
  }
}

/** GHL's answer where a location forbids duplicates and there is one: 400 that names the contact. */
function duplicateOf(error: unknown): string | undefined {
  if (!(error instanceof UpstreamError) || error.status !== 400) return undefined
  const id = (error.body as { meta?: { contactId?: unknown } } | undefined)?.meta?.contactId
  return typeof id === 'string' && id ? id : undefined
}

function readContact(value: unknown): Contact | undefined {
  const given = value as Record<string, unknown> | null | undefined
  if (typeof given?.id !== 'string' || !given.id) return undefined
  const contact: Contact = { id: given.id }
  for (const field of ['firstName', 'lastName', 'email', 'phone'] as const) {
    const text = given[field]
    if (typeof text === 'string' && text) contact[field] = text
  }
  const name = [contact.firstName, contact.lastName].filter(Boolean).join(' ')
  const full = name || given.contactName || given.name
  if (typeof full === 'string' && full) contact.name = full
  return contact
}

function readNote(value: unknown): Note | undefined {
  const given = value as Record<string, unknown> | null | undefined
  return typeof given?.id === 'string' ? { id: given.id, body: String(given.body ?? '') } : undefined
}
