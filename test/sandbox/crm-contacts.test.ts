import t from 'tap'
import { bench, location, newContact } from './crm.ts'

const base = { locationId: 'LOC1' }

t.test('a contact is found by email before phone, and null when there is none', async (t) => {
  const b = await bench(t)
  const none = await b.get('/contacts/search/duplicate?locationId=LOC1&number=%2B12505550188')
  t.equal(none.status, 200)
  t.equal(none.body.contact, null)
  t.type(none.body.traceId, 'string')

  const byPhone = await newContact(b, { email: 'ann@example.com' })
  const byEmail = await newContact(b, { phone: '+12505550199', email: 'Bea@Example.com' })
  const found = async (query: string) =>
    (await b.get(`/contacts/search/duplicate?locationId=LOC1&${query}`)).body.contact?.id
  t.equal(await found('number=%2B12505550188'), byPhone)
  t.equal(await found('number=%2B1%20(250)%20555-0188'), byPhone, 'punctuation does not count')
  t.equal(await found('email=bea@example.COM'), byEmail, 'case does not count')
  t.equal(await found('number=%2B12505550188&email=bea@example.com'), byEmail, 'email goes first')
  t.equal(await found('number=%2B12505550188&email=nobody@example.com'), byPhone, 'then phone')
  t.equal(await found('number=+12505550188'), undefined, 'an unescaped + is a blank on the wire')
})

t.test('the search for a duplicate refuses wrong parameters', async (t) => {
  const b = await bench(t)
  const refused = async (query: string, message: unknown) => {
    const answer = await b.get(`/contacts/search/duplicate?${query}`)
    t.equal(answer.status, 422, query)
    t.match(answer.body, { statusCode: 422, message, error: 'Unprocessable Entity', traceId: String })
  }
  await refused('locationId=LOC1&phone=%2B1250', ['property phone should not exist'])
  await refused('number=%2B1250', ['locationId should not be empty'])
  await refused('locationId=LOC1', ['number or email should not be empty'])
})

t.test('upsert makes, then changes, by email and then by phone', async (t) => {
  const b = await bench(t)
  const made = await b.post('/contacts/upsert', {
    ...base,
    name: 'Ann van der Lee',
    phone: '+1 (250) 555-0188',
  })
  t.equal(made.status, 200)
  t.match(made.body, {
    new: true,
    contact: { id: /^[A-Za-z0-9]{20}$/, phone: '+12505550188', firstName: 'Ann', lastName: 'van der Lee' },
  })
  const again = await b.post('/contacts/upsert', { ...base, phone: '+12505550188', email: 'ann@example.com' })
  t.match(again.body, { new: false, contact: { id: made.body.contact.id, firstName: 'Ann' } })
  const mail = await b.post('/contacts/upsert', { ...base, email: 'ANN@example.com', city: 'Victoria' })
  t.match(mail.body, { new: false, contact: { id: made.body.contact.id, city: 'Victoria' } })
  t.equal(b.crm.location('LOC1').contacts.length, 1)
  t.strictSame(
    b.crm.ledger.map((entry) => entry.kind),
    ['contact.created', 'contact.updated', 'contact.updated'],
  )
})

t.test(
  'upsert with the email of one and the phone of another takes the first and ignores the phone',
  async (t) => {
    const b = await bench(t)
    const phoneOwner = await newContact(b)
    const mailOwner = await newContact(b, { phone: '+12505550199', email: 'bea@example.com' })
    const answer = await b.post('/contacts/upsert', {
      ...base,
      email: 'bea@example.com',
      phone: '+12505550188',
    })
    t.match(answer.body, { new: false, contact: { id: mailOwner, phone: '+12505550199' } })
    t.equal((await b.get(`/contacts/${phoneOwner}`)).body.contact.phone, '+12505550188')
  },
)

t.test('upsert makes a second contact only where duplicates are allowed and asked for', async (t) => {
  const b = await bench(t, { locations: [location({ allowDuplicateContacts: true })] })
  await newContact(b)
  t.equal((await b.post('/contacts/upsert', { ...base, phone: '+12505550188' })).body.new, false)
  const wish = { ...base, phone: '+12505550188', createNewIfDuplicateAllowed: true }
  t.equal((await b.post('/contacts/upsert', wish)).body.new, true)
  const strict = await bench(t)
  await newContact(strict)
  t.equal((await strict.post('/contacts/upsert', wish)).body.new, false)
})

t.test('create answers 201, or 400 with the duplicate where the location forbids them', async (t) => {
  const b = await bench(t)
  const made = await b.post('/contacts/', {
    ...base,
    firstName: 'Ann',
    lastName: 'Lee',
    phone: '+12505550188',
  })
  t.equal(made.status, 201)
  const twice = await b.post('/contacts/', { ...base, phone: '+1 250 555 0188' })
  t.equal(twice.status, 400)
  t.match(twice.body, {
    statusCode: 400,
    message: 'This location does not allow duplicated contacts.',
    meta: { contactId: made.body.contact.id, contactName: 'Ann Lee', matchingField: 'phone' },
  })
  t.equal(
    (await b.post('/contacts', { ...base, phone: '+12505550199' })).status,
    201,
    'with or without the slash',
  )

  const open = await bench(t, { locations: [location({ allowDuplicateContacts: true })] })
  await newContact(open)
  t.equal((await open.post('/contacts/', { ...base, phone: '+12505550188' })).status, 201)
})

t.test('get, change and delete one contact', async (t) => {
  const b = await bench(t)
  const id = await newContact(b, { email: 'ann@example.com', customFields: [{ id: 'f1', field_value: 'x' }] })
  const other = await newContact(b, { phone: '+12505550199' })
  const fields = [
    { key: 'k', field_value: ['a'] },
    { id: 'n', field_value: 3 },
  ]
  const changed = await b.put(`/contacts/${id}`, { email: null, lastName: 'Long', customFields: fields })
  t.equal(changed.status, 200)
  t.match(changed.body, { succeded: true, contact: { id, lastName: 'Long' } })
  t.notOk('email' in changed.body.contact, 'null empties a field')
  t.strictSame(changed.body.contact.customFields, [
    { id: 'f1', value: 'x' },
    { id: 'k', value: '["a"]' },
    { id: 'n', value: '3' },
  ])
  t.match((await b.put(`/contacts/${id}`, { locationId: 'LOC1' })).body, {
    statusCode: 422,
    message: ['property locationId should not exist'],
  })
  t.match((await b.put(`/contacts/${id}`, { phone: '+12505550199' })).body, { meta: { contactId: other } })
  t.match((await b.del(`/contacts/${id}`)).body, { succeded: true })
  t.match((await b.get(`/contacts/${id}`)).body, { statusCode: 400, message: /not found/ })
  t.match((await b.get('/contacts/undefined')).body, { statusCode: 400 })
})

t.test('bodies are checked strictly and all complaints come at once', async (t) => {
  const b = await bench(t)
  const refused = async (body: unknown, ...message: string[]) => {
    for (const path of ['/contacts/', '/contacts/upsert']) {
      const answer = await b.post(path, body)
      t.equal(answer.status, 422, JSON.stringify(body))
      t.strictSame(answer.body.message, message)
    }
  }
  await refused({ firstName: 'x' }, 'locationId should not be empty')
  await refused({ ...base, email: '' }, 'email must be an email')
  await refused({ ...base, phone: 'soon' }, 'phone must be a valid phone number')
  await refused(
    { ...base, phoneNumber: '+1', dnd: 'no' },
    'property phoneNumber should not exist',
    'dnd must be a boolean value',
  )
  await refused({ ...base, tags: ['a', 1] }, 'tags.1 must be a string')
  await refused(
    { ...base, customFields: [{ value: 'x', id: 'f' }] },
    'customFields.0.property value should not exist',
  )
  await refused({ ...base, customFields: [{ field_value: 'x' }] }, 'customFields.0.id should not be empty')
  await refused({ ...base, timezone: 'PST8' }, 'timezone must be a valid IANA time zone')
  await refused(
    { ...base, dndSettings: { SMS: { status: 'on' } } },
    'dndSettings.SMS.status must be one of the following values: active, inactive, permanent',
  )
  t.equal((await b.post('/contacts/', { ...base, name: 'A', email: null })).status, 201)
})

t.test('the location itself', async (t) => {
  const b = await bench(t, { locations: [location({ name: 'Plumbers' })] })
  t.match((await b.get('/locations/LOC1')).body.location, {
    id: 'LOC1',
    name: 'Plumbers',
    timezone: 'America/Vancouver',
  })
  t.throws(() => b.crm.location('nowhere'))
})
