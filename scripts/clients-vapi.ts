import { createInterface } from 'node:readline/promises'
import { Agent, type Dispatcher } from 'undici'
import { createAssistantBuilder } from '../services/assistant/builder.ts'
import { systemPrompt } from '../services/assistant/prompt.ts'
import { createClientAdmin } from '../services/clients/admin.ts'
import { createAudit } from '../services/clients/audit-repository.ts'
import { type CheckReport, createCheck } from '../services/clients/check.ts'
import { toClient } from '../services/clients/client.ts'
import { createClientRepository } from '../services/clients/repository.ts'
import { createGhlApi, type GhlApi } from '../services/ghl/api.ts'
import { createBudget } from '../services/ghl/budget.ts'
import { createGovernor } from '../services/ghl/governor.ts'
import { createOAuthApi } from '../services/ghl/oauth-api.ts'
import { createRenewal } from '../services/ghl/renewal.ts'
import { createTokens } from '../services/ghl/tokens.ts'
import { createTokenRepository } from '../services/ghl/tokens-repository.ts'
import { createLanes } from '../services/lanes.ts'
import { systemClock } from '../services/time.ts'
import { UpstreamError } from '../services/upstream.ts'
import { createVapiApi } from '../services/vapi/api.ts'
import { createNumberInspection } from '../services/vapi/inspection.ts'
import { ConnectRefused, createNumbers } from '../services/vapi/numbers.ts'
import type { Change } from '../services/vapi/routing.ts'
import { type Context, command, Failure, readSecret, table, UsageError } from './cli.ts'

type Shared = Pick<Context, 'config' | 'secrets' | 'database'>

/** What both commands work with; `close` ends the connections. */
async function open({ config, secrets, database }: Shared) {
  const sql = await database()
  const dispatcher = new Agent({ connections: 16, connect: { timeout: 2_000 } })
  const { publicUrl } = config
  const { baseUrl, apiKey, credentialId } = config.vapi
  const vapi = createVapiApi({ baseUrl, apiKey, dispatcher })
  const builder = createAssistantBuilder({ publicUrl, credentialId, toolsOf: [] })
  const audit = createAudit({ sql })
  const { server } = builder
  const numbers = createNumbers({ vapi, server, audit: audit.write })
  const admin = createClientAdmin({ sql, secrets, audit })
  const repository = createClientRepository({ sql, secrets })
  const load = async (id: string) => {
    const row = await repository.byId(id)
    return row && toClient(row, secrets)
  }
  return { sql, dispatcher, vapi, builder, server, numbers, admin, load, close: () => dispatcher.close() }
}

/** As the server reaches GHL, with limits of its own: a check asks for half a dozen things. */
async function ghlOf({ config, secrets, database }: Shared, dispatcher: Dispatcher): Promise<GhlApi> {
  const { baseUrl, app } = config.ghl
  const log = { error: () => {}, info: () => {} }
  const lanesOf = (kind: string) => createLanes({ kind, onStateChange: () => {} })
  const repository = createTokenRepository({ sql: await database() })
  const redirectUri = `${config.publicUrl}/ghl/oauth/callback`
  const lanes = lanesOf('ghl-oauth')
  const oauth = app && createOAuthApi({ baseUrl, dispatcher, lanes, app, redirectUri })
  const renewal = oauth && createRenewal({ repository, oauth, secrets })
  const governor = createGovernor({
    lanes: { rest: lanesOf('ghl'), mcp: lanesOf('ghl-mcp') },
    budget: createBudget({ redis: undefined }),
    tokens: createTokens({ repository, secrets, renewal, log }),
  })
  return createGhlApi({ baseUrl, dispatcher, governor })
}

const check = command({
  summary: 'Tries what a client needs, and says what is wrong and how to mend it',
  usage: '<client>',
  help: 'Changes nothing. The exit code is 1 if something has failed; a warning is no failure.',
  options: {},
  arguments: 1,
  async run(context) {
    const opened = await open(context)
    const { vapi, builder, server, numbers, admin, load, close } = opened
    try {
      const now = systemClock()
      const id = await admin.find(context.argument(0, 'client'))
      const { run } = createCheck({
        load,
        ghl: await ghlOf(context, opened.dispatcher),
        inspectNumber: createNumberInspection({ vapi, numbers, server }),
        promptOf: (client) => systemPrompt(client, builder.wordsOf(client, { caller: client.number, now })),
        clock: systemClock,
        log: { error: ({ item }: { item?: string }) => context.note(`${item} could not be tried`) },
      })
      const report = await run(id, context.signal)
      context.print(report, told(report))
      return report.ok
    } finally {
      await close()
    }
  },
})

function told({ client_name, items }: CheckReport): string {
  const rows = items.map(({ item, status, detail }) => [status, item, detail])
  const mend = items.flatMap(({ item, remedy }) => (remedy ? [`${item}: ${remedy}`] : []))
  return [client_name, table(['', 'item', 'found'], rows), ...mend].join('\n')
}

const connect = command({
  summary: "Has calls to a client's number answered by this server",
  usage: '<client> [--dry-run] [--yes] [--fallback <number>]',
  help: `Finds the number at VAPI (VAPI_API_KEY), or imports it from Twilio, and sets its server, its name and its
fallback destination; an assistant that is set on it is taken off. Shows what it will change and asks.
  --dry-run             shows only
  --yes                 does not ask
  --fallback            who takes calls this server could not answer; the client's transfer_number without it
  --twilio-account-sid  for an import; or TWILIO_ACCOUNT_SID
  --twilio-auth-token   for an import; "-" reads it from standard input; or TWILIO_AUTH_TOKEN`,
  options: {
    'dry-run': { type: 'boolean' },
    yes: { type: 'boolean' },
    fallback: { type: 'string' },
    'twilio-account-sid': { type: 'string' },
    'twilio-auth-token': { type: 'string' },
  },
  arguments: 1,
  async run(context) {
    const { values, operator, signal, print, note } = context
    let authToken: string | undefined
    const { numbers, admin, load, close } = await open(context)
    try {
      const client = await load(await admin.find(context.argument(0, 'client')))
      if (!client) throw new Failure('There is no such client.')
      const accountSid = values['twilio-account-sid'] ?? process.env.TWILIO_ACCOUNT_SID
      authToken = await readSecret(values['twilio-auth-token'], 'TWILIO_AUTH_TOKEN')
      const twilio = { accountSid, authToken }
      const { plan, apply } = await numbers.plan({ client, fallback: values.fallback, twilio }, signal)
      for (const warning of plan.warnings) note(`Mind: ${warning}.`)
      const shown = `${client.name}, ${plan.number}\n${table(['field', 'now', 'then'], plan.changes.map(rowOf))}`
      const dry = values['dry-run'] === true
      if (plan.action === 'nothing')
        return void print({ ...plan, done: false }, `${client.name}: nothing to do.`)
      if (dry) return void print({ ...plan, done: false }, `${shown}\nNothing was changed.`)
      if (!values.yes) {
        note(shown)
        if (!(await agreed(plan.action === 'import' ? 'Import it?' : 'Change it?')))
          throw new Failure('Nothing was changed.')
      }
      await apply(operator)
      print({ ...plan, done: true }, values.yes ? `${shown}\nDone.` : 'Done.')
    } catch (error) {
      if (error instanceof ConnectRefused) throw new Failure(error.message)
      throw error instanceof UpstreamError ? new Failure(refusal(error, authToken)) : error
    } finally {
      await close()
    }
  },
})

const rowOf = ({ field, from, to }: Change) => [field, from, to]

async function agreed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new UsageError('There is nobody to ask: give --yes, or --dry-run to see only.')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim())
  } finally {
    lines.close()
  }
}

/** VAPI's own words name the field at fault; they are for whoever asked it to change something. */
function refusal({ status, body }: UpstreamError, secret: string | undefined): string {
  if (status === 401) return 'VAPI does not accept VAPI_API_KEY.'
  if (status === undefined || status >= 500)
    return 'VAPI did not answer. What was asked may have been done: see with --dry-run.'
  const { message } = (body ?? {}) as { message?: unknown }
  const words = [message].flat().map(String).join('; ').slice(0, 500)
  return `VAPI refused it: ${secret ? words.replaceAll(secret, '…') : words}`
}

export const vapiCommands = { check, connect }
