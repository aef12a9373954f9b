import { Type } from '@sinclair/typebox'
import t from 'tap'
import { createCallers } from '../../../services/auth/callers.ts'
import { AppError } from '../../../services/errors.ts'
import { mcpToolOf, wantsUpstreamTools } from '../../../services/mcp/assistant-tool.ts'
import type { Who } from '../../../services/mcp/identity.ts'
import { createOwnTools } from '../../../services/mcp/own-tools.ts'
import { type Caller, createCallerRepository } from '../../../services/mcp/repository.ts'
import { defineTool, isOffered } from '../../../services/tools/define.ts'
import { asOwner, build } from '../../helper.ts'

const probe = defineTool({
  name: 'probe',
  description: 'Tells who is calling',
  input: Type.Object({}),
  output: Type.Object({ number: Type.Optional(Type.String()) }),
  run: async () => ({}),
  say: () => '',
})

t.test('the caller is the one of the call, if the call is this client’s', async (t) => {
  const { app, addClient } = await build(t)
  const [client, other] = [await addClient(), await addClient()]
  await asOwner(app)`
    insert into voice_sessions (client_id, vapi_call_id, caller, ghl_contact_id) values
      (${client.id}, 'call-own', '+12505550188', 'contact-1'), (${other.id}, 'call-foreign', '+12505550199', 'contact-2')`
  const { callerOf } = createCallerRepository({ sql: app.sql })
  const seen: Caller[] = []
  const log = { warn() {}, error() {} }
  const callers = createCallers({ whoIsMeant: app.services.whoIsMeant, callerOf, log })
  const tools = createOwnTools({
    catalogue: new Map([[probe.name, probe]]),
    isOffered,
    run: async (_tool, _who, caller) => {
      seen.push(caller)
      return { output: {}, sentence: 'said' }
    },
    callerOf: (who) => callers.inCall(who.client, who),
    log,
  })
  const who = (callId: string | undefined) => ({ client: { id: client.id }, callId }) as unknown as Who
  for (const callId of ['call-own', 'call-foreign', 'call-unknown', undefined]) {
    t.match(await tools.call(who(callId), 'probe', {}), { content: [{ type: 'text', text: 'said' }] })
  }
  const nobody = { number: undefined, contactId: undefined }
  t.strictSame(seen, [{ number: '+12505550188', contactId: 'contact-1' }, nobody, nobody, nobody])
})

t.test('what goes wrong is advice for the model, and the log knows more', async (t) => {
  const lines: string[] = []
  const log = {
    warn: (_facts: object, message: string) => void lines.push(message),
    error: (_facts: object, message: string) => void lines.push(message),
  }
  const failing = (error: unknown) =>
    createOwnTools({
      catalogue: new Map([[probe.name, probe]]),
      isOffered,
      run: async () => {
        throw error
      },
      callerOf: async () => ({ number: undefined, contactId: undefined }),
      log,
    }).call({ client: { id: 'x' }, callId: 'call' } as unknown as Who, 'probe', {})
  const known = await failing(new AppError('CRM_TIMEOUT', { cause: new Error('secret') }))
  t.match(known, { isError: true, content: [{ text: /too slow/ }] })
  const bug = await failing(new TypeError('x is not a function'))
  t.match(bug, { isError: true, content: [{ text: /Something went wrong/ }] })
  t.notMatch(JSON.stringify([known, bug]), /secret|not a function/)
  t.strictSame(lines, ['a tool failed upstream', 'a tool failed'])
})

t.test('the door as a tool of an assistant', async (t) => {
  t.strictSame(mcpToolOf('https://agent.example.com', { 'x-phone-number': '+14155550100' }, 'cred_1'), {
    type: 'mcp',
    server: {
      url: 'https://agent.example.com/mcp',
      headers: { 'x-phone-number': '+14155550100', 'x-tools': 'upstream' },
      timeoutSeconds: 20,
      credentialId: 'cred_1',
    },
    metadata: { protocol: 'shttp' },
  })
  t.notOk(wantsUpstreamTools({ settings: {} }), 'only if it is asked for')
  t.ok(wantsUpstreamTools({ settings: { mcp_tools: { upstream: true } } }))
})
