import t from 'tap'
import { bench, newContact } from './crm.ts'

const base = { locationId: 'LOC1' }

t.test('tags of upsert and PUT overwrite, the tags endpoint adds and removes', async (t) => {
  const b = await bench(t)
  const id = await newContact(b, { tags: ['vip', 'old'] })
  t.strictSame(
    (await b.post('/contacts/upsert', { ...base, phone: '+12505550188', tags: ['voice'] })).body.contact.tags,
    ['voice'],
  )
  t.strictSame((await b.put(`/contacts/${id}`, { tags: ['a', 'b'] })).body.contact.tags, ['a', 'b'])
  const added = await b.post(`/contacts/${id}/tags`, { tags: ['B', 'c'] })
  t.equal(added.status, 201)
  t.strictSame(added.body.tags, ['a', 'b', 'c'])
  const removed = await b.del(`/contacts/${id}/tags`, { tags: ['A'] })
  t.equal(removed.status, 200)
  t.strictSame(removed.body.tags, ['b', 'c'])
  t.match((await b.post(`/contacts/${id}/tags`, { tags: [] })).body, {
    statusCode: 422,
    message: ['tags should not be empty'],
  })
  t.equal((await b.post(`/contacts/${id}/tags`, { tags: 'x' })).status, 422)
})

t.test('notes', async (t) => {
  const b = await bench(t)
  const id = await newContact(b)
  const made = await b.post(`/contacts/${id}/notes`, { title: 'Call summary', body: 'One' })
  t.equal(made.status, 201)
  t.match(made.body.note, { id: /^[A-Za-z0-9]{20}$/, body: 'One', title: 'Call summary', contactId: id })
  await b.post(`/contacts/${id}/notes`, { body: 'Two', pinned: true })
  const listed = await b.get(`/contacts/${id}/notes`)
  t.strictSame(
    listed.body.notes.map((note) => note.body),
    ['Two', 'One'],
  )
  const path = `/contacts/${id}/notes/${made.body.note.id}`
  t.match((await b.put(path, { body: 'New' })).body.note, { body: 'New', title: 'Call summary' })
  t.equal((await b.put(path, { text: 'x' })).status, 422)
  t.match((await b.del(path)).body, { succeded: true })
  t.equal((await b.del(path)).status, 400)
  t.strictSame((await b.post(`/contacts/${id}/notes`, {})).body.message, ['body should not be empty'])
  t.equal((await b.post('/contacts/nobody/notes', { body: 'x' })).status, 400)
  t.strictSame(
    b.crm.location('LOC1').contacts[0]?.notes.map((note) => note.body),
    ['Two'],
  )
  t.strictSame(
    b.crm.ledger.map((entry) => entry.kind),
    ['contact.created', 'note.created', 'note.created', 'note.updated', 'note.deleted'],
  )
  t.match(b.crm.ledger[1], {
    id: made.body.note.id,
    locationId: 'LOC1',
    at: '2026-08-20T12:00:00Z',
    data: { body: 'One' },
  })
})

t.test('tasks', async (t) => {
  const b = await bench(t)
  const id = await newContact(b)
  const made = await b.post(`/contacts/${id}/tasks`, {
    title: 'Ring back',
    dueDate: '2026-08-21T17:00:00Z',
    completed: false,
  })
  t.equal(made.status, 201)
  t.match((await b.get(`/contacts/${id}/tasks`)).body.tasks, [{ id: made.body.task.id, title: 'Ring back' }])
  t.strictSame((await b.post(`/contacts/${id}/tasks`, { title: 'x' })).body.message, [
    'dueDate should not be empty',
    'completed should not be empty',
  ])
  t.equal(
    (await b.post(`/contacts/${id}/tasks`, { title: 'x', dueDate: 'soon', completed: false })).status,
    422,
  )
})

t.test('contact search', async (t) => {
  const b = await bench(t)
  const ann = await newContact(b, { email: 'ann@example.com', tags: ['vip'] })
  const bea = await newContact(b, { firstName: 'Bea', phone: '+12505550199' })
  const ids = async (rest: object) => {
    const answer = await b.post('/contacts/search', { ...base, pageLimit: 20, ...rest })
    t.equal(answer.status, 200)
    return answer.body.contacts.map((contact) => contact.id)
  }
  const where = (...filters: object[]) => ids({ filters })
  t.strictSame(await ids({}), [bea, ann])
  t.strictSame(await where({ field: 'phone', operator: 'eq', value: '+1 250 555 0188' }), [ann])
  t.strictSame(await where({ field: 'email', operator: 'exists' }), [ann])
  t.strictSame(await where({ field: 'email', operator: 'not_exists' }), [bea])
  t.strictSame(await where({ field: 'tags', operator: 'contains', value: 'VI' }), [ann])
  t.strictSame(await where({ field: 'firstName', operator: 'not_eq', value: 'ann' }), [bea])
  t.strictSame(await where({ field: 'firstName', operator: 'not_contains', value: 'be' }), [ann])
  t.strictSame(
    await where({ field: 'dateAdded', operator: 'range', value: { gt: '2026-08-20T12:00:00.000Z' } }),
    [],
  )
  const either = ['Ann', 'Bea'].map((value) => ({ field: 'firstName', operator: 'eq', value }))
  t.strictSame(await where({ group: 'OR', filters: either }), [bea, ann])
  t.strictSame(await where({ group: 'AND', filters: either }), [])
  t.strictSame(await ids({ query: 'ann l' }), [ann])
  t.strictSame(await ids({ sort: [{ field: 'firstName', direction: 'asc' }] }), [ann, bea])
  t.strictSame(await ids({ pageLimit: 1, page: 2 }), [ann])
  t.strictSame(await ids({ pageLimit: 1, searchAfter: [0, bea] }), [ann])
  const refused = async (body: object) => t.equal((await b.post('/contacts/search', body)).status, 422)
  await refused(base)
  await refused({ ...base, pageLimit: 501 })
  await refused({ ...base, pageLimit: 1, filters: [{ field: 'shoe', operator: 'eq', value: 1 }] })
  await refused({ ...base, pageLimit: 1, filters: [{ field: 'phone', operator: 'is', value: 1 }] })
  await refused({ ...base, pageLimit: 1, limit: 1 })
})
