import t, { type Test } from 'tap'
import { asOwner, build, ENCRYPTION_KEY, PUBLIC_URL, VAPI_KEY } from '../helper.ts'
import { run } from './program.ts'

const NUMBER_ID = '8bac8f61-ca90-4b1c-a480-5872e906b63a'

async function bench(t: Test) {
  const harness = await build(t)
  const env = {
    DATABASE_URL: harness.app.database.url,
    ENCRYPTION_KEY,
    PUBLIC_URL,
    VAPI_API_KEY: VAPI_KEY,
    VAPI_BASE_URL: harness.vapi.url,
    VAPI_CREDENTIAL_ID: 'cred-1',
    GHL_BASE_URL: harness.crm.url,
  }
  const cli = (args: readonly string[], more: Record<string, string> = {}) =>
    run('clients.ts', args, { env: { ...env, ...more } })
  return { ...harness, cli }
}

t.test('a number is shown, connected and checked from the command line', async (t) => {
  const { addClient, vapi, cli, app } = await bench(t)
  const client = await addClient({ settings: { transfer_number: '+12505550111' } })
  vapi.addNumber({ id: NUMBER_ID, provider: 'vapi', number: client.number, assistantId: 'static' })

  const before = await cli(['check', client.number])
  t.equal(before.code, 1, 'something has failed')
  t.match(before.stdout, /failed .*vapi-routing[\s\S]*vapi-routing: Mend it: npm run clients -- connect/)
  t.notMatch(before.stdout + before.stderr, new RegExp(`${client.token}|${VAPI_KEY}`))

  const dry = await cli(['connect', client.number, '--dry-run'])
  t.equal(dry.code, 0, dry.stderr)
  t.match(dry.stdout, /assistantId[\s\S]*Nothing was changed/)
  t.equal(vapi.numbers[0]?.assistantId, 'static')
  const unasked = await cli(['connect', client.number])
  t.equal(unasked.code, 2, 'nobody is there to say yes')
  t.equal(vapi.numbers[0]?.assistantId, 'static')

  const done = await cli(['connect', client.number, '--yes', '--json'])
  t.equal(done.code, 0, done.stderr)
  t.match(JSON.parse(done.stdout), { action: 'change', done: true })
  t.notOk(vapi.numbers[0] && 'assistantId' in vapi.numbers[0])
  const rows = await asOwner(app)`select operator, details from audit_log where operation = 'clients.connect'`
  t.match([...rows], [{ operator: /^cli:/, details: { action: 'change', phoneNumberId: NUMBER_ID } }])

  const after = await cli(['check', client.number, '--json'])
  t.equal(after.code, 0, after.stdout)
  t.match(JSON.parse(after.stdout), { client_id: client.id, ok: true })
})

t.test('a number is imported, and what stands in the way is said', async (t) => {
  const { addClient, vapi, cli } = await bench(t)
  const client = await addClient()
  const missing = await cli(['connect', client.number, '--yes'])
  t.equal(missing.code, 1)
  t.match(missing.stderr, /--twilio-account-sid/)
  const twilio = { TWILIO_ACCOUNT_SID: 'AC1', TWILIO_AUTH_TOKEN: 'planted-twilio-token' }
  const refuse = vapi.fault({
    match: { method: 'POST' },
    kind: { type: 'status', status: 400, body: { message: ['bad planted-twilio-token'] } },
  })
  const refused = await cli(['connect', client.number, '--yes'], twilio)
  t.equal(refused.code, 1)
  t.match(refused.stderr, /VAPI refused it: bad …/)
  refuse()
  const done = await cli(['connect', client.number, '--yes', '--fallback', '250 555 0122'], twilio)
  t.equal(done.code, 0, done.stderr)
  t.match(vapi.numbers, [{ number: client.number, fallbackDestination: { number: '+12505550122' } }])
  t.notMatch(done.stdout + done.stderr + refused.stderr, /planted-twilio-token/)
})
