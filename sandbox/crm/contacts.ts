import { addContact, changeContact, contactReply, findMatch, refuseDuplicate } from './contact-book.ts'
import {
  contactParams,
  createBody,
  searchBody,
  searchDuplicateQuery,
  updateBody,
  upsertBody,
} from './contact-schemas.ts'
import { searchContacts } from './contact-search.ts'
import { type CrmApp, type CrmContext, contactOf } from './context.ts'
import { unprocessable } from './errors.ts'

/** Contacts themselves; what hangs on a contact is in contact-records.ts. */
export function contactRoutes(app: CrmApp, context: CrmContext): void {
  const { store, gate } = context

  app.get('/contacts/search/duplicate', { schema: { querystring: searchDuplicateQuery } }, (request) => {
    const { locationId, number, email } = request.query
    const location = gate.named(request, locationId)
    if (!number && !email) throw unprocessable('number or email should not be empty')
    const match = findMatch(location, { email: email ?? null, phone: number ?? null })
    return { contact: match === undefined ? null : contactReply(match.contact) }
  })

  app.post('/contacts/search', { schema: { body: searchBody } }, (request) =>
    searchContacts(gate.named(request, request.body.locationId), request.body),
  )

  app.post('/contacts/upsert', { schema: { body: upsertBody } }, (request) => {
    const { locationId, createNewIfDuplicateAllowed, ...body } = request.body
    const location = gate.named(request, locationId)
    const match = findMatch(location, body)
    const another = createNewIfDuplicateAllowed === true && location.allowDuplicateContacts
    if (match === undefined || another) {
      return { new: true, contact: contactReply(addContact(store, location, body)) }
    }
    // The email decided and the phone is someone else's: the second field is ignored, or a duplicate would result.
    const { phone, ...others } = body
    const elsewhere = match.field === 'email' && findMatch(location, { phone: phone ?? null }, match.contact)
    const changes = elsewhere && !location.allowDuplicateContacts ? others : body
    return { new: false, contact: contactReply(changeContact(store, match.contact, changes)) }
  })

  app.post('/contacts/', { schema: { body: createBody } }, (request, reply) => {
    const { locationId, ...body } = request.body
    const location = gate.named(request, locationId)
    const match = location.allowDuplicateContacts ? undefined : findMatch(location, body)
    if (match) refuseDuplicate(match)
    // Creation alone answers without the joined name.
    const { name: _name, ...contact } = contactReply(addContact(store, location, body))
    return reply.code(201).send({ contact })
  })

  app.get('/contacts/:contactId', { schema: { params: contactParams } }, (request) => ({
    contact: contactReply(contactOf(context, request, request.params.contactId)),
  }))

  app.put('/contacts/:contactId', { schema: { params: contactParams, body: updateBody } }, (request) => {
    const contact = contactOf(context, request, request.params.contactId)
    const location = gate.location(request)
    const match = location.allowDuplicateContacts ? undefined : findMatch(location, request.body, contact)
    if (match) refuseDuplicate(match)
    // `succeded` is how GoHighLevel spells it.
    return { succeded: true, contact: contactReply(changeContact(store, contact, request.body)) }
  })

  app.delete('/contacts/:contactId', { schema: { params: contactParams } }, (request) => {
    const contact = contactOf(context, request, request.params.contactId)
    const location = gate.location(request)
    location.contacts.splice(location.contacts.indexOf(contact), 1)
    store.contacts.delete(contact.id)
    store.commit(location.id, 'contact.deleted', contact.id, contact)
    return { succeded: true }
  })
}
