import { existsSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import Table from 'cli-table3'
import { type Config, ConfigError, loadConfig } from '../config.ts'
import { startEmbeddedPostgres } from '../services/database/embedded.ts'
import { createDatabase, type Database } from '../services/database/pool.ts'
import { createSchemaRepository } from '../services/database/repository.ts'
import { AppError } from '../services/errors.ts'
import { createSecrets, type Secrets } from '../services/secrets.ts'

/** What the command lines of operators share: arguments, configuration, database, output and exit codes. */

type Options = NonNullable<ParseArgsConfig['options']>
type Values<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O; strict: true; allowPositionals: true }>
>['values']

export interface Context<O extends Options = Options> {
  /** What was given for the options. */
  readonly values: Values<O>
  readonly config: Config
  readonly secrets: Secrets
  /** Who does this, for the audit log. */
  readonly operator: string
  /** Ctrl-C ends what is under way. */
  readonly signal: AbortSignal
  /** Connects at the first use. */
  database(): Promise<Database>
  /** The address of PostgreSQL itself, for what no pooler can be between. */
  databaseUrl(): Promise<string>
  /** The argument at this place. @throws UsageError */
  argument(place: number, name: string): string
  /** Prints the value with `--json`, else the text. */
  print(value: unknown, text: string): void
  /** Progress and remarks: not part of the result. */
  note(text: string): void
}

export interface Command<O extends Options = Options> {
  /** One line for the list of commands. */
  summary: string
  /** The arguments, such as `<client> [name=value …]`. */
  usage: string
  /** Further lines of its own help. */
  help?: string
  options: O
  /** Arguments at most. */
  arguments: number
  /** What comes back as false is a failure that has been told: exit code 1. */
  run(context: Context<O>): Promise<boolean | undefined> | Promise<void>
}

/** Keeps the types of the options for `run`. */
export const command = <const O extends Options>(given: Command<O>) => given as unknown as Command

/** The command line cannot be understood: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What is wrong with the work and not with the words: exit code 1, and the message without a stack. */
export class Failure extends Error {
  override readonly name = 'Failure'
}

const COMMON = {
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies Options

/** An operator waits longer than a caller. */
const DEADLINE_MS = 30_000

/**
 * Runs the command that `args` names and sets the exit code: 0 done, 1 failed, 2 not understood.
 * `program` is how people call it, such as `npm run clients --`.
 */
export async function runCommand(
  program: string,
  commands: Readonly<Record<string, Command>>,
  args: readonly string[] = process.argv.slice(2),
): Promise<void> {
  const [name = '', ...rest] = args
  const chosen = Object.hasOwn(commands, name) ? commands[name] : undefined
  try {
    if (!chosen) {
      const asked = ['', 'help', '--help', '-h'].includes(name)
      const overview = overviewOf(program, commands)
      if (asked && name !== '') return void process.stdout.write(overview)
      throw new UsageError(asked ? overview : `There is no command ${JSON.stringify(name)}.\n\n${overview}`)
    }
    process.exitCode = (await perform(chosen, `${program} ${name}`, rest)) === false ? 1 : 0
  } catch (error) {
    process.exitCode = error instanceof UsageError || isInvalid(error) ? 2 : 1
    process.stderr.write(`${told(error)}\n`)
  }
}

async function perform(chosen: Command, called: string, args: string[]) {
  const { values, positionals } = parse(chosen.options, args)
  if (values.help) return void process.stdout.write(helpOf(chosen, called))
  if (positionals.length > chosen.arguments)
    throw new UsageError(`Too many arguments.\nUsage: ${called} ${chosen.usage}`)
  if (existsSync('.env')) process.loadEnvFile('.env')
  const config = loadConfig()
  const opened: { close(): Promise<void> }[] = []
  const controller = new AbortController()
  const interrupt = () => controller.abort(new Failure('Interrupted.'))
  process.once('SIGINT', interrupt)
  let address: Promise<string> | undefined
  let database: Promise<Database> | undefined
  const databaseUrl = () => {
    address ??= addressOf(config, opened)
    return address
  }
  try {
    return await chosen.run({
      values: values as Context['values'],
      config,
      secrets: createSecrets(config.encryptionKeys),
      operator: `cli:${userName()}`,
      signal: controller.signal,
      database: () => {
        database ??= databaseUrl().then((url) => connect(config.databaseUrl ?? url, config, opened))
        return database
      },
      databaseUrl: async () => config.databaseDirectUrl ?? (await databaseUrl()),
      argument: (place, name) => {
        const given = positionals[place]
        if (given === undefined || given === '')
          throw new UsageError(`<${name}> is missing.\nUsage: ${called} ${chosen.usage}`)
        return given
      },
      print: (value, text) =>
        void process.stdout.write(values.json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`),
      note: (text) => void process.stderr.write(`${text}\n`),
    })
  } finally {
    process.off('SIGINT', interrupt)
    for (const each of opened.reverse()) await each.close()
  }
}

function parse(options: Options, args: string[]) {
  try {
    return parseArgs({ args, options: { ...options, ...COMMON }, strict: true, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'The arguments cannot be read.')
  }
}

/** Without an address it is the embedded PostgreSQL of this folder, which a running server shares. */
async function addressOf(config: Config, opened: { close(): Promise<void> }[]): Promise<string> {
  if (config.databaseUrl) return config.databaseUrl
  const directory = path.join(config.dataDirectory, 'postgres')
  const embedded = await startEmbeddedPostgres({ directory, shared: true })
  opened.push({ close: () => embedded.stop() })
  return embedded.url
}

/** As the server connects, and with its role: what a command may see is what the server may see. */
async function connect(url: string, config: Config, opened: { close(): Promise<void> }[]): Promise<Database> {
  const pooled = config.databaseDirectUrl !== undefined
  const settings = { url, pooled, max: 2, deadlineMs: DEADLINE_MS }
  const first = createDatabase(settings)
  const { role } = await createSchemaRepository({ sql: first })
    .serverRole()
    .finally(() => first.end())
  const sql = createDatabase({ ...settings, role })
  opened.push({ close: () => sql.end() })
  return sql
}

/** Rows under headings, for people. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  if (rows.length === 0) return 'None.'
  const made = new Table({ head: [...head], style: { head: [], border: [], compact: true } })
  for (const row of rows) made.push(row.map(cell))
  return made.toString()
}

/** Names and values of one thing, for people. */
export function facts(values: Readonly<Record<string, unknown>>): string {
  const made = new Table({
    style: { head: [], border: [], compact: true },
    colWidths: [null, 80],
    wordWrap: true,
  })
  for (const [name, value] of Object.entries(values)) made.push([name, cell(value)])
  return made.toString()
}

function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** A secret from where no list of processes and no shell history keeps it: `-` reads standard input. */
export async function readSecret(given: string | undefined, variable: string): Promise<string | undefined> {
  const text = given === '-' ? await readText(process.stdin) : (given ?? process.env[variable])
  return text?.trim() || undefined
}

function userName(): string {
  try {
    return os.userInfo().username
  } catch {
    // In a container the user may have no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

function overviewOf(program: string, commands: Readonly<Record<string, Command>>): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: ${program} <command> [options]\n\n${lines.join('\n')}\n\nEach command has --help, and --json for programs.\n`
}

function helpOf({ summary, usage, help, options }: Command, called: string): string {
  const shown = Object.entries<Options[string]>({ ...options, ...COMMON }).map(
    ([name, { type }]) => `  --${name}${type === 'string' ? ' <…>' : ''}`,
  )
  return `${summary}\n\nUsage: ${called} ${usage}\n\n${help ? `${help}\n\n` : ''}Options:\n${shown.join('\n')}\n`
}

const isInvalid = (error: unknown) => error instanceof AppError && error.code === 'INVALID_INPUT'

/** Codes of PostgreSQL for a table, a column or a function that is not there. */
const OLDER_SCHEMA = new Set(['42P01', '42703', '42883'])

function told(error: unknown): string {
  if (error instanceof AppError) return error.detail ?? error.message
  if (error instanceof UsageError || error instanceof Failure || error instanceof ConfigError)
    return error.message
  const { code } = (error ?? {}) as { code?: unknown }
  if (OLDER_SCHEMA.has(String(code)))
    return "The database's schema is older than this command: start the server once, which brings it up to date."
  // Messages of PostgreSQL may repeat values; what it is called does not.
  return error instanceof Error ? `${error.name}${code ? ` ${code}` : ''}: ${error.message}` : String(error)
}
