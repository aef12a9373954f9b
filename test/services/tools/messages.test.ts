import t from 'tap'
import { build } from '../../helper.ts'
import { CALLER, requestsTo, rest, use, written } from './kit.ts'

const TASKS = /^\/contacts\/[^/]+\/tasks$/
const MESSAGES = '/conversations/messages'

t.test('send_sms goes to the caller, through the conversations of the CRM', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  t.match(await use(h, client, 'send_sms', { message: 'We are at 1 Main Street.', phone: '+15005550001' }), {
    result: /on its way/,
  })
  const { contacts } = h.crm.location(client.locationId)
  t.equal(contacts.length, 1, 'no contact for the number the model made up')
  t.equal(contacts[0]?.phone, CALLER)
  t.match(contacts[0]?.messages, [{ type: 'SMS', message: 'We are at 1 Main Street.' }])
  t.match(await use(h, client, 'send_sms', { message: 'Hi' }, { caller: undefined }), {
    error: /number is withheld/,
  })
  t.match(await use(h, client, 'send_sms', {}), { error: /message is missing/ })
  t.match(await use(h, client, 'send_sms', { message: 'x'.repeat(481) }), { error: /message/ })
})

t.test('never against do-not-disturb', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const headers = {
    authorization: `Bearer ${client.token}`,
    version: '2021-07-28',
    'content-type': 'application/json',
  }
  const wishes = [
    { dnd: true },
    { dndSettings: { SMS: { status: 'active' } } },
    { dndSettings: { SMS: { status: 'permanent' } } },
  ]
  for (const [index, wish] of wishes.entries()) {
    const caller = `+1250555020${index}`
    await fetch(`${h.crm.url}/contacts/upsert`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ locationId: client.locationId, phone: caller, ...wish }),
    })
    t.match(
      await use(h, client, 'send_sms', { message: 'Hello' }, { caller }),
      { error: /asked for no text messages/ },
      JSON.stringify(wish),
    )
  }
  t.notOk(requestsTo(h).includes(`POST ${MESSAGES}`), 'none was even tried')
})

t.test('a text message whose answer is lost is not sent again, and not claimed', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  h.crm.fault({ match: { method: 'POST', path: MESSAGES }, times: 1, kind: { type: 'drop-after-commit' } })
  t.match(await use(h, client, 'send_sms', { message: 'Hello' }), {
    error: /not certain whether the message was sent/,
  })
  t.equal(written(h, 'message.sent').length, 1)
})

t.test('take_message leaves a task on the caller’s contact', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const { result } = await use(h, client, 'take_message', {
    message: 'The boiler makes a noise.\nPlease call.',
    callback_time: 'tomorrow after three',
    name: 'Ann Lee',
    urgent: true,
  })
  t.match(result, /taken down/)
  const { contacts } = h.crm.location(client.locationId)
  t.equal(contacts.length, 1)
  t.match(contacts[0]?.tasks, [
    {
      title: 'Urgent: Message by phone: The boiler makes a noise. Please call.',
      body: /The boiler makes a noise[\s\S]*From: Ann Lee\nCall back: \+12505550188\nWhen: tomorrow after three/,
      completed: false,
      dueDate: '2026-08-21T16:00:00Z',
    },
  ])
})

t.test('take_message: one task for one message, whatever happens to the answer', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  h.crm.fault({ match: { method: 'POST', path: TASKS }, times: 1, kind: { type: 'drop-after-commit' } })
  t.match(await use(h, client, 'take_message', { message: 'Call me' }), { result: /taken down/ })
  t.equal(written(h, 'task.created').length, 1)
  h.crm.fault({ match: { method: 'POST', path: TASKS }, times: 1, kind: { type: 'drop-before' } })
  const twice = { callId: 'call-1', id: 'tool-1' }
  t.match(await use(h, client, 'take_message', { message: 'Call me again' }, twice), { result: /taken down/ })
  t.match(await use(h, client, 'take_message', { message: 'Call me again' }, twice), { result: /taken down/ })
  t.equal(written(h, 'task.created').length, 2)
})

t.test('a caller without a number can leave one', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const withheld = { caller: undefined }
  t.match(await use(h, client, 'take_message', { message: 'Call me' }, withheld), {
    error: /phone number or an e-mail address is needed/,
  })
  t.match(await use(h, client, 'take_message', { message: 'Call me', phone: '(250) 555-0133' }, withheld), {
    result: /taken down/,
  })
  t.match(h.crm.location(client.locationId).contacts, [{ phone: '+12505550133' }])
})

t.test('through REST', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const { body } = await rest(h, 'find_or_create_contact', { client_id: client.id, phone: CALLER })
  const named = { client_id: client.id, contact_id: body.contactId }
  t.match(await rest(h, 'send_sms', { ...named, message: 'Hello' }), { status: 200, body: { success: true } })
  t.match(await rest(h, 'take_message', { ...named, message: 'Call me' }), {
    status: 200,
    body: { success: true },
  })
  t.match(await rest(h, 'send_sms', { client_id: client.id, message: 'Hello' }), {
    status: 403,
    body: { code: 'CALLER_UNPROVEN' },
  })
  t.match(await rest(h, 'take_message', named), { status: 400, body: { errors: [{ field: 'message' }] } })
})
