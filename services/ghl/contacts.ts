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

export interface Note {
  id: string
  body: string
}

/** The contacts of one location, and the notes on them. */
export function createContacts(send: GhlSend, scope: GhlScope) {
  const version = VERSION.contacts

  async function search(query: { number?: string; email?: string }): Promise<Contact | undefined> {
    const answer = await send({
      method: 'GET',
      path: '/contacts/search/duplicate',
      query: { locationId: scope.locationId, ...query },
      version,
    })
    return readContact(answer.contact)
  }

  return {
    byPhone: (number: string) => search({ number }),
    byEmail: (email: string) => search({ email }),

    /** Creates the contact, or finds the one that GHL takes for the same person. */
    async upsert({ phone, email, name }: ContactKey): Promise<{ contact: Contact; created: boolean }> {
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
        })
        const contact = readContact(answer.contact)
        if (!contact)
          throw new UpstreamError('POST /contacts/upsert', 'no contact in the answer', { outcome: 'unknown' })
        return { contact, created: answer.new === true }
      } catch (error) {
        const id = duplicateOf(error)
        if (!id) throw error
        return { contact: { id, ...(phone && { phone }), ...(email && { email }) }, created: false }
      }
    },

    async notes(contactId: string): Promise<Note[]> {
      const answer = await send({
        method: 'GET',
        path: `/contacts/${encodeURIComponent(contactId)}/notes`,
        version,
      })
      return Array.isArray(answer.notes) ? answer.notes.flatMap((note) => readNote(note) ?? []) : []
    },

    async addNote(contactId: string, title: string, body: string): Promise<Note> {
      const path = `/contacts/${encodeURIComponent(contactId)}/notes`
      const answer = await send({ method: 'POST', path, body: { title, body }, version })
      const note = readNote(answer.note)
      if (!note)
        throw new UpstreamError('POST /contacts/:id/notes', 'no note in the answer', { outcome: 'unknown' })
      return note
    },

    async updateNote(contactId: string, noteId: string, title: string, body: string): Promise<void> {
      const path = `/contacts/${encodeURIComponent(contactId)}/notes/${encodeURIComponent(noteId)}`
      await send({ method: 'PUT', path, body: { title, body }, version })
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
