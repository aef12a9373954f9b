import t from 'tap'
import { asOwner, build, eventually } from '../../helper.ts'
import { CALLER, requestsTo, rest, use, useAll, written } from './kit.ts'

const FIND = 'find_or_create_contact'

t.test('a new caller is created once, found afterwards, and stored on the session', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const first = await use(
    h,
    client,
    FIND,
    { name: 'Ann  Lee ', email: 'Ann@Example.com' },
    { callId: 'call-1' },
  )
  t.equal(first.result, 'The caller has been saved as a new contact.')
  const [contact] = h.crm.location(client.locationId).contacts
  t.match(contact, { firstName: 'Ann', lastName: 'Lee', email: 'ann@example.com', phone: CALLER })
  const rows = await asOwner(h.app)`select ghl_contact_id from voice_sessions where vapi_call_id = 'call-1'`
  t.strictSame([...rows], [{ ghl_contact_id: contact?.id }])

  const second = await use(h, client, FIND, { name: 'Somebody Else' })
  t.equal(second.result, 'The caller is on file as Ann Lee.')
  t.equal(h.crm.location(client.locationId).contacts.length, 1)
  t.match(h.crm.location(client.locationId).contacts[0], { firstName: 'Ann', lastName: 'Lee' })
  t.equal(written(h, 'contact.updated').length, 0, 'what is there is never overwritten')
})

t.test('phone and e-mail are looked up at the same time', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  h.crm.fault({ match: { path: '/contacts/search/duplicate' }, kind: { type: 'delay', ms: 1_500 } })
  const before = performance.now()
  await use(h, client, FIND, { name: 'Ann Lee', email: 'ann@example.com' })
  const ms = performance.now() - before
  t.strictSame(requestsTo(h), [
    'GET /contacts/search/duplicate',
    'GET /contacts/search/duplicate',
    'POST /contacts/upsert',
  ])
  t.ok(ms < 2_900, `took ${ms} ms`)
})

t.test('when the e-mail address and the phone belong to two contacts, phone wins', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const byPhone = await rest(h, FIND, { client_id: client.id, phone: CALLER })
  const byEmail = await rest(h, FIND, { client_id: client.id, email: 'ann@example.com', name: 'Ann Lee' })
  const both = await rest(h, FIND, {
    client_id: client.id,
    phone: CALLER,
    email: 'ann@example.com',
    name: 'Bo Ek',
  })
  t.equal(both.body.contactId, byPhone.body.contactId)
  t.not(both.body.contactId, byEmail.body.contactId)
  const contacts = h.crm.location(client.locationId).contacts
  t.match(contacts, [
    { firstName: 'Bo', lastName: 'Ek' },
    { firstName: 'Ann', lastName: 'Lee', email: 'ann@example.com' },
  ])
  t.equal(contacts[0]?.email, undefined, 'the address stays where it is')
})

t.test('what a contact lacks is added, what it has stays', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const cases = [
    {
      has: {},
      said: { name: 'Ann Lee', email: 'a1@example.com' },
      becomes: { firstName: 'Ann', lastName: 'Lee', email: 'a1@example.com' },
    },
    { has: { name: 'Ann' }, said: { name: 'ann Lee' }, becomes: { firstName: 'Ann', lastName: 'Lee' } },
    { has: { name: 'Ann' }, said: { name: 'Bo Ek' }, becomes: { firstName: 'Ann', lastName: undefined } },
    {
      has: { name: 'Ann Lee', email: 'a4@example.com' },
      said: { name: 'Bo Ek', email: 'b4@example.com' },
      becomes: { firstName: 'Ann', lastName: 'Lee', email: 'a4@example.com' },
    },
    {
      has: { email: 'a5@example.com' },
      said: { name: 'Prince' },
      becomes: { firstName: 'Prince', lastName: undefined, email: 'a5@example.com' },
    },
  ]
  for (const [index, { has, said, becomes }] of cases.entries()) {
    const caller = `+1250555020${index}`
    const made = await rest(h, FIND, { client_id: client.id, phone: caller, ...has })
    const { result } = await use(h, client, FIND, said, { caller })
    const contact = h.crm.location(client.locationId).contacts[index]
    t.equal(contact?.id, made.body.contactId)
    for (const [field, value] of Object.entries(becomes)) {
      t.equal(contact?.[field as 'firstName'], value, `${field} of case ${index}`)
    }
    t.equal(
      result,
      `The caller is on file as ${[contact?.firstName, contact?.lastName].filter(Boolean).join(' ')}.`,
    )
  }
})

t.test('completing that fails does not fail the tool', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  await rest(h, FIND, { client_id: client.id, phone: CALLER })
  const remove = h.crm.fault({ match: { method: 'PUT' }, kind: { type: 'status', status: 500 } })
  const { status, body } = await rest(h, FIND, { client_id: client.id, phone: CALLER, name: 'Ann Lee' })
  t.equal(status, 200)
  t.match(body, { existed: true, contact: { phone: CALLER } })
  t.notOk((body.contact as { name?: string }).name, 'nothing is claimed that is not there')
  remove()
  h.crm.fault({
    match: { method: 'PUT' },
    times: 1,
    kind: {
      type: 'status',
      status: 400,
      body: { message: 'This location does not allow duplicated contacts.' },
    },
  })
  const { result } = await use(h, client, FIND, { name: 'Ann Lee', email: 'elsewhere@example.com' })
  t.equal(result, 'The caller is on file as Ann Lee.', 'the name is added without the refused address')
})

t.test('a booking completes the contact that the call knows, in the background', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const callId = 'call-complete'
  await use(h, client, FIND, {}, { callId })
  const { result } = await use(
    h,
    client,
    'book_appointment',
    { start_time: '2026-08-21T10:30', name: 'Ann Lee', email: 'ann@example.com' },
    { callId },
  )
  t.match(result, /^Booked: /)
  const [contact] = h.crm.location(client.locationId).contacts
  await eventually(() => contact?.email, 'the contact to be completed')
  t.match(contact, { firstName: 'Ann', lastName: 'Lee', email: 'ann@example.com' })
})

t.test('two calls from one new number at the same moment make one contact', async (t) => {
  const h = await build(t)
  const other = await build(t, { env: { GHL_BASE_URL: h.crm.url } })
  const client = await h.addClient()
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => use(index % 2 ? h : other, client, FIND, { name: 'Ann Lee' })),
  )
  t.equal(h.crm.location(client.locationId).contacts.length, 1)
  t.equal(written(h, 'contact.created').length, 1)
  const upserts = requestsTo(h).filter((request) => request === 'POST /contacts/upsert')
  t.ok(upserts.length <= 2, `one attempt for each instance at most: ${upserts.length}`)
})

t.test("a failure of the one who looks up is not the others' failure", async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  h.crm.fault({
    match: { path: '/contacts/search/duplicate' },
    times: 2,
    kind: { type: 'status', status: 500 },
  })
  const results = await Promise.all([1, 2, 3].map(() => use(h, client, FIND, { name: 'Ann Lee' })))
  t.equal(results.filter(({ result }) => result).length, 2, JSON.stringify(results))
  t.equal(h.crm.location(client.locationId).contacts.length, 1)
})

t.test("GHL's duplicate answer is a find", async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const made = await rest(h, FIND, { client_id: client.id, phone: CALLER, name: 'Ann Lee' })
  h.crm.fault({
    match: { path: '/contacts/search/duplicate' },
    times: 1,
    kind: { type: 'status', status: 200, body: { contact: null } },
  })
  h.crm.fault({
    match: { path: '/contacts/upsert' },
    times: 1,
    kind: {
      type: 'status',
      status: 400,
      body: {
        statusCode: 400,
        message: 'This location does not allow duplicated contacts.',
        meta: { contactId: made.body.contactId, contactName: 'Ann Lee', matchingField: 'phone' },
      },
    },
  })
  const { status, body } = await rest(h, FIND, { client_id: client.id, phone: CALLER, name: 'Bo Ek' })
  t.equal(status, 200)
  t.match(body, { contactId: made.body.contactId, existed: true, contact: { name: 'Ann Lee' } })
  t.equal(h.crm.location(client.locationId).contacts.length, 1)
  t.equal(written(h, 'contact.updated').length, 0)
})

t.test('an anonymous caller', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  await rest(h, FIND, { client_id: client.id, phone: CALLER, name: 'Ann Lee' })
  const anonymous = { caller: undefined }

  t.match(await use(h, client, FIND, { name: 'Bo Ek' }, anonymous), {
    error: 'A phone number or an e-mail address is needed. Ask for one.',
  })
  const claimed = await use(
    h,
    client,
    FIND,
    { phone: '(250) 555-0188', email: 'thief@example.com' },
    anonymous,
  )
  t.equal(claimed.result, 'The caller is on file.', 'no name is read out on the word of somebody')
  t.equal(h.crm.location(client.locationId).contacts[0]?.email, undefined, 'and no address written')
  const byMail = await use(h, client, FIND, { email: 'bo@example.com', name: 'Bo Ek' }, anonymous)
  t.equal(byMail.result, 'The caller has been saved as a new contact.')
  t.equal(h.crm.location(client.locationId).contacts.length, 2)
  t.match(await use(h, client, FIND, { phone: 'unknown' }, anonymous), {
    error: /phone is not a phone number/,
  })
  t.match(await use(h, client, FIND, { email: 'ann at example' }, anonymous), {
    error: /Ask the caller to spell it/,
  })
  for (const withheld of ['+266696687', 'anonymous', '+86282452253']) {
    t.match(await use(h, client, FIND, {}, { caller: withheld }), { error: /is needed/ }, withheld)
  }
})

t.test('a contact found by an e-mail address somebody says is not read out either', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  await rest(h, FIND, { client_id: client.id, email: 'ann@example.com', name: 'Ann Lee' })
  const { result } = await use(h, client, FIND, { email: 'ann@example.com' })
  t.equal(result, 'The caller is on file.')
})

t.test('the number of the caller id goes before the one that is said', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  await use(h, client, FIND, { phone: '+12505550199', name: 'Ann Lee' })
  t.strictSame(
    h.crm.location(client.locationId).contacts.map(({ phone }) => phone),
    [CALLER],
  )
})

t.test('an upsert whose answer is lost makes one contact', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  h.crm.fault({ match: { path: '/contacts/upsert' }, times: 1, kind: { type: 'drop-after-commit' } })
  const { result } = await use(h, client, FIND, { name: 'Ann Lee' })
  t.ok(result)
  t.equal(h.crm.location(client.locationId).contacts.length, 1)
})

t.test('side by side in one message: the caller is looked up once', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  // Both ask within this time, however busy the machine is.
  h.crm.fault({ match: { path: '/contacts/search/duplicate' }, kind: { type: 'delay', ms: 700 } })
  const results = await useAll(h, client, [
    { name: FIND, args: { name: 'Ann Lee' } },
    { name: 'book_appointment', args: { start_time: '2026-08-21T10:30', name: 'Ann Lee' } },
  ])
  t.match(results, [{ result: /caller/ }, { result: /^Booked/ }])
  t.equal(h.crm.location(client.locationId).contacts.length, 1)
  t.equal(requestsTo(h).filter((request) => request === 'GET /contacts/search/duplicate').length, 1)
})
