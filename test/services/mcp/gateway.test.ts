import type { Tool } from '@modelcontextprotocol/server'
import t from 'tap'
import { Agent } from 'undici'
import { startGhlMcpSandbox } from '../../../sandbox/ghl-mcp.ts'
import { toClient } from '../../../services/clients/client.ts'
import { createGateway } from '../../../services/mcp/gateway.ts'
import { createUpstream } from '../../../services/mcp/upstream.ts'
import { createUpstreamTools } from '../../../services/mcp/upstream-tools.ts'
import { eventually } from '../../helper.ts'

const client = toClient({
  id: '00000000-0000-4000-8000-000000000001',
  client_name: 'Riverside Plumbing',
  twilio_number: '+17785550001',
  ghl_token: 'pit-1',
  location_id: 'TestLocation00000001',
  calendar_id: null,
  timezone: 'America/Vancouver',
  settings: {},
  status: 'active',
})
const account = { clientId: client.id, ...client.crm }

t.test('the gateway', async (t) => {
  const sandbox = await startGhlMcpSandbox()
  const dispatcher = new Agent()
  t.teardown(async () => {
    await sandbox.close()
    await dispatcher.destroy()
  })
  sandbox.addAccount(account.token, account.locationId)
  const upstream = createUpstream({
    url: sandbox.url,
    dispatcher,
    governor: { send: (_door, { token }, _operation, work) => work(token) },
  })
  const warnings: object[] = []
  const gateway = createGateway({
    upstream,
    tools: createUpstreamTools({ upstream }),
    log: { warn: (facts) => void warnings.push(facts) },
    readDeadlineMs: 150,
    writeDeadlineMs: 300,
  })
  const { signal } = new AbortController()

  t.test('gives up a CRM that does not answer, and the connection with it', async (t) => {
    await gateway.list(client)
    sandbox.behave({ hang: true })
    for (const [name, attempts] of [
      ['contacts_get-contact', 2],
      ['contacts_add-tags', 1],
    ] as const) {
      const before = sandbox.requests.length
      const result = await gateway.call(client, name, { path_contactId: 'c1' }, { signal })
      t.match(result, { isError: true, content: [{ text: /too slow/ }] }, name)
      const asked = sandbox.requests.slice(before)
      t.equal(asked.length, attempts)
      await eventually(() => asked.every(({ aborted }) => aborted), 'the end of the requests')
    }
    t.match(warnings, [{ code: 'CRM_TIMEOUT' }, { code: 'CRM_TIMEOUT' }])
  })

  t.test('does not ask again once it has heard something', async (t) => {
    sandbox.behave({ hang: true, progress: 1 })
    const before = sandbox.requests.length
    const steps: number[] = []
    const onProgress = ({ progress }: { progress: number }) => void steps.push(progress)
    await gateway.call(client, 'contacts_get-contact', { path_contactId: 'c1' }, { signal, onProgress })
    t.strictSame(steps, [1])
    t.equal(sandbox.requests.length - before, 1)
  })

  t.test('takes an answer that is a document', async (t) => {
    sandbox.behave({ json: true })
    t.match(await gateway.call(client, 'contacts_get-contact', { path_contactId: 'c1' }, { signal }), {
      content: [{ text: /"path_contactId":"c1"/ }],
    })
  })

  t.test('knows by the name alone while it was never told the tools', async (t) => {
    const unlisted = createGateway({
      upstream,
      tools: createUpstreamTools({
        upstream: {
          list: async () => {
            throw new Error('away')
          },
        },
      }),
      log: { warn() {} },
    })
    sandbox.behave({})
    t.match(await unlisted.call(client, 'contacts_get-contact', { path_contactId: 'c1' }, { signal }), {
      content: [{ text: /c1/ }],
    })
    t.equal(await unlisted.call(client, 'contacts_delete-contact', {}, { signal }), undefined)
  })
})

t.test('a list that is too old is asked for again, and serves on if there is no answer', async (t) => {
  const tool = (name: string): Tool => ({ name, inputSchema: { type: 'object' } })
  let asked = 0
  let answer: () => Tool[] = () => [tool('first')]
  const tools = createUpstreamTools({
    ttlMs: 5,
    upstream: {
      list: async () => {
        asked += 1
        return answer()
      },
    },
  })
  const names = async () => [...(await tools.of(account)).keys()]
  t.strictSame(await names(), ['first'])
  answer = () => {
    throw new Error('the CRM is down')
  }
  await eventually(async () => (await names()) && asked > 2, 'the list to be asked for again')
  t.strictSame(await names(), ['first'], 'the old one')
  answer = () => [tool('second')]
  await eventually(async () => (await names())[0] === 'second', 'the new one')
  answer = () => [tool('theirs')]
  const other = await tools.of({ ...account, token: 'other' })
  t.strictSame([...other.keys()], ['theirs'], 'another credential is another list')
})
