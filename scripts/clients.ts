/**
 * `npm run clients -- <command>`: the clients of this server, straight in its database. The server need not run; those
 * that do see each change at once.
 */
import { readFileSync } from 'node:fs'
import type { TSchema } from '@sinclair/typebox'
import type { ClientView } from '../schemas/admin.ts'
import { ClientSettings } from '../schemas/client.ts'
import { type ClientAdmin, createClientAdmin } from '../services/clients/admin.ts'
import { createAudit } from '../services/clients/audit-repository.ts'
import { createTokenRepository } from '../services/ghl/tokens-repository.ts'
import { type Context, command, facts, readSecret, runCommand, table, UsageError } from './cli.ts'
import { eraseCommands } from './clients-erase.ts'
import { seal } from './clients-seal.ts'
import { vapiCommands } from './clients-vapi.ts'

const FIELDS = {
  name: { type: 'string' },
  number: { type: 'string' },
  location: { type: 'string' },
  calendar: { type: 'string' },
  timezone: { type: 'string' },
  status: { type: 'string' },
  'ghl-token': { type: 'string' },
  set: { type: 'string', multiple: true },
  settings: { type: 'string' },
} as const

const FIELDS_HELP = `  --number     in any notation
  --location   GHL location id
  --calendar   GHL calendar id
  --timezone   IANA zone, such as America/New_York
  --status     active or paused
  --ghl-token  the location's private integration token; "-" reads it from standard input, and without the option it
               is taken from GHL_TOKEN, so that it need not stand in the history of the shell
  --set        name=value for a setting, as often as needed; a value that is JSON is read as such
  --settings   a file with settings as JSON; "-" reads it from standard input
Settings: ${Object.keys(ClientSettings.properties).join(', ')}.`

type Fields = {
  [name in Exclude<keyof typeof FIELDS, 'set'>]?: string | undefined
} & { set?: string[] | undefined }

async function adminOf({ database, secrets }: Pick<Context, 'database' | 'secrets'>): Promise<ClientAdmin> {
  const sql = await database()
  const pauses = createTokenRepository({ sql })
  return createClientAdmin({ sql, secrets, audit: createAudit({ sql }), pauses })
}

/** The options as the body that the admin route takes. Of a change, `null` takes a setting away. */
async function bodyOf(values: Fields, tokenRequired: boolean): Promise<Record<string, unknown>> {
  const fromFile = values.settings === undefined ? {} : settingsIn(values.settings)
  const settings = { ...fromFile, ...Object.fromEntries((values.set ?? []).map(setting)) }
  const token =
    tokenRequired || values['ghl-token'] !== undefined
      ? await readSecret(values['ghl-token'], 'GHL_TOKEN')
      : undefined
  const body = {
    client_name: values.name,
    twilio_number: values.number,
    ghl_token: token,
    location_id: values.location,
    calendar_id: values.calendar === '' ? null : values.calendar,
    timezone: values.timezone,
    status: values.status,
    settings: Object.keys(settings).length > 0 ? settings : undefined,
  }
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined))
}

function settingsIn(file: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'))
  } catch {
    throw new UsageError(`--settings: ${file} cannot be read as JSON`)
  }
}

function setting(text: string): [string, unknown] {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw new UsageError(`--set wants name=value, not ${JSON.stringify(text)}`)
  if (value === 'null') return [name, null]
  // Opening hours of "24/7" are text, and so are those of "24".
  const known: Readonly<Record<string, TSchema>> = ClientSettings.properties
  if (Object.hasOwn(known, name) && known[name]?.type === 'string') return [name, value]
  try {
    return [name, JSON.parse(value)]
  } catch {
    return [name, value]
  }
}

const detailed = ({ settings, problems, ghl_token_last4, ...row }: ClientView) =>
  facts({
    ...row,
    ghl_token: ghl_token_last4 === null ? 'not shown' : `…${ghl_token_last4}`,
    ...Object.fromEntries(
      Object.entries(settings as object).map(([name, value]) => [`settings.${name}`, value]),
    ),
    problems: problems.join('\n') || 'none',
  })

const rowOf = ({ id, client_name, twilio_number, location_id, timezone, status, problems }: ClientView) => [
  client_name,
  twilio_number,
  status,
  timezone,
  location_id,
  problems.length || '',
  id,
]

const turn = (summary: string, status: 'active' | 'paused') =>
  command({
    summary,
    usage: '<client>',
    options: {},
    arguments: 1,
    async run(context) {
      const clients = await adminOf(context)
      const id = await clients.find(context.argument(0, 'client'))
      const client = await clients.change(id, { status }, context.operator)
      context.print(client, `${client.client_name} is ${client.status}.`)
    },
  })

await runCommand('npm run clients --', {
  add: command({
    summary: 'Adds a client',
    usage: '--name <name> --number <number> --location <id> [--ghl-token -] …',
    help: FIELDS_HELP,
    options: FIELDS,
    arguments: 0,
    async run(context) {
      const body = await bodyOf(context.values, true)
      const client = await (await adminOf(context)).add(body, context.operator)
      context.print(client, detailed(client))
    },
  }),

  list: command({
    summary: 'Lists the clients in the order of their names',
    usage: '[--status active] [--search <part of the name or number>] [--limit 50] [--cursor …]',
    options: {
      status: { type: 'string' },
      search: { type: 'string' },
      limit: { type: 'string' },
      cursor: { type: 'string' },
    },
    arguments: 0,
    async run(context) {
      const { status, search, limit = '50', cursor } = context.values
      if (!/^[1-9]\d{0,3}$/.test(limit)) throw new UsageError('--limit is a number from 1 to 9999')
      const page = await (await adminOf(context)).list({ status, q: search, cursor, limit: Number(limit) })
      const head = ['name', 'number', 'status', 'timezone', 'location', 'problems', 'id']
      context.print(page, table(head, page.clients.map(rowOf)))
      if (page.next) context.note(`More: --cursor ${page.next}`)
    },
  }),

  show: command({
    summary: 'Shows a client',
    usage: '<client>',
    help: 'A client is named by its id, its number or its name.',
    options: {},
    arguments: 1,
    async run(context) {
      const clients = await adminOf(context)
      const client = await clients.one(await clients.find(context.argument(0, 'client')))
      context.print(client, detailed(client))
    },
  }),

  set: command({
    summary: 'Changes a client',
    usage: '<client> [--name …] [--ghl-token -] [--set hours="Mon to Fri"] [--set greeting=null] …',
    help: `What is not named stays. --set name=null takes a setting away, --calendar "" the calendar.\n${FIELDS_HELP.replace(', and without the option it\n               is taken from GHL_TOKEN, so that it need not stand in the history of the shell', '')}`,
    options: FIELDS,
    arguments: 1,
    async run(context) {
      const body = await bodyOf(context.values, false)
      const clients = await adminOf(context)
      const id = await clients.find(context.argument(0, 'client'))
      const client = await clients.change(id, body, context.operator)
      context.print(client, detailed(client))
    },
  }),

  pause: turn('Has a client answered with a generic sentence only', 'paused'),
  resume: turn('Has a paused client answered again', 'active'),
  ...vapiCommands,
  seal,
  ...eraseCommands(async (context) => (await adminOf(context)).find(context.argument(0, 'client'))),

  remove: command({
    summary: 'Removes a client and everything that is kept of it',
    usage: '<client> --confirm <name or number>',
    options: { confirm: { type: 'string' } },
    arguments: 1,
    async run(context) {
      const clients = await adminOf(context)
      const id = await clients.find(context.argument(0, 'client'))
      if (context.values.confirm === undefined)
        throw new UsageError('--confirm wants the name or the number of the client that is to be removed')
      await clients.remove(id, context.values.confirm, context.operator)
      context.print({ removed: id }, `Removed ${id}.`)
    },
  }),
})
