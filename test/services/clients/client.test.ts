import t from 'tap'
import { type ClientRow, toClient } from '../../../services/clients/client.ts'

const row = (change: Partial<ClientRow>): ClientRow => ({
  id: '11111111-1111-4111-8111-111111111111',
  client_name: 'Riverside Plumbing',
  twilio_number: '+17785550001',
  ghl_token: 'pit',
  location_id: 'loc',
  calendar_id: 'cal',
  timezone: 'America/Vancouver',
  settings: {},
  status: 'active',
  ...change,
})

t.test('a good row has no problems', async (t) => {
  t.match(toClient(row({})), {
    name: 'Riverside Plumbing',
    timezone: 'America/Vancouver',
    active: true,
    problems: [],
  })
})

t.test('whatever is wrong with a row is named, and the rest is used', async (t) => {
  const cases: [Partial<ClientRow>, RegExp, object][] = [
    [{ client_name: null }, /client_name/, { name: '' }],
    [{ client_name: ' \n' }, /client_name/, { name: '' }],
    [{ timezone: 'Mars/Olympus' }, /timezone/, { timezone: undefined }],
    [{ timezone: null }, /timezone/, { timezone: undefined }],
    [{ timezone: '+02:00' }, /timezone/, { timezone: undefined }],
    [{ twilio_number: '778 555 0001' }, /twilio_number/, { number: '778 555 0001' }],
    [{ settings: 'text' }, /settings/, { settings: {} }],
    [{ settings: [1] }, /settings/, { settings: {} }],
    [{ settings: { greeting: 7 } }, /settings\.greeting/, { settings: {} }],
    [{ settings: { nonsense: 1 } }, /settings\.nonsense/, { settings: {} }],
    [{ settings: { constructor: 1, toString: 2 } }, /settings\.constructor/, { settings: {} }],
    [{ settings: JSON.parse('{"__proto__": {"greeting": "Hi"}}') }, /settings\.__proto__/, { settings: {} }],
  ]
  for (const [change, problem, rest] of cases) {
    const client = toClient(row(change))
    t.match(client.problems[0], problem)
    t.match(client, rest)
    t.equal(client.crm.token, 'pit')
  }
})

t.test('settings that are null are absent, and one bad one spoils no other', async (t) => {
  t.strictSame(toClient(row({ settings: null })).settings, {})
  const client = toClient(row({ settings: { greeting: 'Hi', language: null, voice: 7 } }))
  t.match(client.settings, { greeting: 'Hi' })
  t.notOk('language' in client.settings)
})

t.test('a client with any status but active is not active', async (t) => {
  for (const status of ['paused', 'inactive', '', 'ACTIVE']) t.equal(toClient(row({ status })).active, false)
})
