import { contactParams, noteBody, noteParams, noteUpdateBody, tagsBody, taskBody } from './contact-schemas.ts'
import { type CrmApp, type CrmContext, contactOf } from './context.ts'
import { badRequest, unprocessable } from './errors.ts'
import type { SandboxAppointment, SandboxContact, SandboxNote } from './records.ts'
import { newId } from './store.ts'

function noteOf(contact: SandboxContact, id: string): SandboxNote {
  const note = contact.notes.find((each) => each.id === id)
  if (note === undefined) throw badRequest(`Note with id ${id} not found`)
  return note
}

function checkInstant(text: string, name: string): void {
  try {
    Temporal.Instant.from(text)
  } catch {
    throw unprocessable(`${name} must be a valid ISO 8601 date string`)
  }
}

/** This one endpoint tells times as wall time without a zone, e.g. `2021-07-16 11:00:00`. */
const wallText = (text: string, zone: string): string =>
  Temporal.Instant.from(text)
    .toZonedDateTimeISO(zone)
    .toPlainDateTime()
    .toString({ smallestUnit: 'second' })
    .replace('T', ' ')

const eventReply = (appointment: SandboxAppointment, zone: string) => ({
  id: appointment.id,
  calendarId: appointment.calendarId,
  locationId: appointment.locationId,
  contactId: appointment.contactId,
  groupId: appointment.groupId,
  status: 'booked',
  appointmentStatus: appointment.appointmentStatus,
  title: appointment.title,
  ...(appointment.assignedUserId === undefined ? {} : { assignedUserId: appointment.assignedUserId }),
  users: appointment.users,
  ...(appointment.address === undefined ? {} : { address: appointment.address }),
  startTime: wallText(appointment.startTime, zone),
  endTime: wallText(appointment.endTime, zone),
  dateAdded: wallText(appointment.dateAdded, zone),
  dateUpdated: wallText(appointment.dateUpdated, zone),
})

/** What hangs on a contact: notes, tags, tasks, and its appointments. */
export function contactRecordRoutes(app: CrmApp, context: CrmContext): void {
  const { store, gate } = context
  const params = contactParams

  app.get('/contacts/:contactId/notes', { schema: { params } }, (request) => ({
    notes: contactOf(context, request, request.params.contactId).notes.toReversed(),
  }))

  app.post('/contacts/:contactId/notes', { schema: { params, body: noteBody } }, (request, reply) => {
    const contact = contactOf(context, request, request.params.contactId)
    const note = { id: newId(), contactId: contact.id, ...request.body, dateAdded: store.timestamp() }
    contact.notes.push(note)
    store.commit(contact.locationId, 'note.created', note.id, note)
    return reply.code(201).send({ note })
  })

  app.put(
    '/contacts/:contactId/notes/:noteId',
    { schema: { params: noteParams, body: noteUpdateBody } },
    (request) => {
      const contact = contactOf(context, request, request.params.contactId)
      const note = noteOf(contact, request.params.noteId)
      Object.assign(note, request.body)
      store.commit(contact.locationId, 'note.updated', note.id, note)
      return { note }
    },
  )

  app.delete('/contacts/:contactId/notes/:noteId', { schema: { params: noteParams } }, (request) => {
    const contact = contactOf(context, request, request.params.contactId)
    const note = noteOf(contact, request.params.noteId)
    contact.notes.splice(contact.notes.indexOf(note), 1)
    store.commit(contact.locationId, 'note.deleted', note.id, note)
    return { succeded: true }
  })

  app.post('/contacts/:contactId/tags', { schema: { params, body: tagsBody } }, (request, reply) => {
    const contact = contactOf(context, request, request.params.contactId)
    const have = new Set(contact.tags.map((tag) => tag.toLowerCase()))
    const tagsAdded = [...new Set(request.body.tags)].filter((tag) => !have.has(tag.toLowerCase()))
    contact.tags.push(...tagsAdded)
    if (tagsAdded.length > 0) {
      store.commit(contact.locationId, 'tag.added', contact.id, { tags: tagsAdded, all: contact.tags })
    }
    return reply.code(201).send({ tags: [...contact.tags], tagsAdded })
  })

  app.delete('/contacts/:contactId/tags', { schema: { params, body: tagsBody } }, (request) => {
    const contact = contactOf(context, request, request.params.contactId)
    const unwanted = new Set(request.body.tags.map((tag) => tag.toLowerCase()))
    const tagsRemoved = contact.tags.filter((tag) => unwanted.has(tag.toLowerCase()))
    contact.tags = contact.tags.filter((tag) => !unwanted.has(tag.toLowerCase()))
    if (tagsRemoved.length > 0) {
      store.commit(contact.locationId, 'tag.removed', contact.id, { tags: tagsRemoved, all: contact.tags })
    }
    return { tags: [...contact.tags], tagsRemoved }
  })

  app.get('/contacts/:contactId/tasks', { schema: { params } }, (request) => ({
    tasks: contactOf(context, request, request.params.contactId).tasks,
  }))

  app.post('/contacts/:contactId/tasks', { schema: { params, body: taskBody } }, (request, reply) => {
    const contact = contactOf(context, request, request.params.contactId)
    checkInstant(request.body.dueDate, 'dueDate')
    const task = { id: newId(), contactId: contact.id, ...request.body }
    contact.tasks.push(task)
    store.commit(contact.locationId, 'task.created', task.id, task)
    return reply.code(201).send({ task })
  })

  app.get('/contacts/:contactId/appointments', { schema: { params } }, (request) => {
    const contact = contactOf(context, request, request.params.contactId)
    const location = gate.location(request)
    const own = location.appointments.filter((each) => each.contactId === contact.id)
    return { events: own.map((each) => eventReply(each, location.timezone)) }
  })
}
