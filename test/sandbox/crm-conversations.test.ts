import t from 'tap'
import { bench, newContact } from './crm.ts'

const path = '/conversations/messages'

t.test('an SMS and an email go to one thread', async (t) => {
  const b = await bench(t)
  const contactId = await newContact(b, { email: 'ann@example.com' })
  const sms = await b.post(path, { type: 'SMS', contactId, message: 'Booked.' })
  t.equal(sms.status, 201)
  t.match(sms.body, { conversationId: String, messageId: /^[A-Za-z0-9]{20}$/, status: 'pending' })
  const mail = await b.post(path, { type: 'Email', contactId, subject: 'Booked', html: '<p>Booked.</p>' })
  t.match(mail.body, { conversationId: sms.body.conversationId, emailMessageId: String })
  t.match(b.crm.location('LOC1').contacts[0]?.messages, [
    { type: 'SMS', message: 'Booked.' },
    { type: 'Email', subject: 'Booked' },
  ])
  t.equal(b.crm.ledger.filter((entry) => entry.kind === 'message.sent').length, 2)
})

t.test('do-not-disturb is respected', async (t) => {
  const b = await bench(t)
  const contactId = await newContact(b, {
    email: 'a@example.com',
    dndSettings: { SMS: { status: 'active' } },
  })
  const sms = () => b.post(path, { type: 'SMS', contactId, message: 'x' })
  const mail = () => b.post(path, { type: 'Email', contactId, html: 'x' })
  t.match((await sms()).body, { statusCode: 400, message: 'Cannot send message as DND is active for SMS.' })
  t.equal((await mail()).status, 201)
  await b.put(`/contacts/${contactId}`, { dnd: true, dndSettings: {} })
  t.equal((await sms()).status, 400)
  t.equal((await mail()).status, 400)
  await b.put(`/contacts/${contactId}`, { dnd: false })
  t.equal((await sms()).status, 201)
})

t.test('wrong messages are refused', async (t) => {
  const b = await bench(t)
  const contactId = await newContact(b)
  const refused = async (body: object, status: number, message: unknown) => {
    const answer = await b.post(path, { contactId, ...body })
    t.equal(answer.status, status)
    t.match(answer.body.message, message)
  }
  await refused({ type: 'sms', message: 'x' }, 422, [/type must be one of/])
  await refused({ type: 'SMS' }, 422, ['message or attachments should not be empty'])
  await refused({ type: 'Email', subject: 'x' }, 422, ['html or message should not be empty'])
  await refused({ type: 'SMS', message: 'x', body: 'y' }, 422, ['property body should not exist'])
  await refused({ type: 'SMS', message: 'x', scheduledTimestamp: 1787270400000 }, 422, [
    /must not be greater/,
  ])
  await refused({ type: 'Email', html: 'x', emailTo: 'ann' }, 422, ['emailTo must be an email'])
  await refused({ type: 'Email', html: 'x' }, 400, 'Missing email')
  await refused({ type: 'WhatsApp', message: 'x' }, 400, /No WhatsApp channel/)
  await b.put(`/contacts/${contactId}`, { phone: null })
  await refused({ type: 'SMS', message: 'x' }, 400, 'Missing phone number')
  t.equal(b.crm.location('LOC1').contacts[0]?.messages.length, 0)
})
