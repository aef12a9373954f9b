import { AppError } from '../errors.ts'
import { type Finding, failed, ok, warning } from '../findings.ts'
import type { GhlApi } from '../ghl/api.ts'
import type { Clock } from '../time.ts'
import { isId } from './admin-view.ts'
import { checkCrm } from './check-crm.ts'
import type { Client } from './client.ts'

export interface CheckReport {
  client_id: string
  client_name: string
  /** Nothing has failed; there may be warnings. */
  ok: boolean
  items: Finding[]
}

/** All of it; each request has a deadline of its own below that. */
const DEADLINE_MS = 9_000
/** What the deadline ends says so itself, if it is given the time; what does not is left behind. */
const GRACE_MS = 500

/**
 * The prompt is read anew for each sentence the receptionist says. Beyond some 4,000 tokens its answers come later
 * and follow single instructions less, and a call of twenty turns is paid for 80,000 tokens. English has about four
 * characters to a token.
 */
const PROMPT_TOKENS_MAX = 4_000
const CHARACTERS_A_TOKEN = 4

export interface CheckOptions {
  /** The client as it stands in the table at this moment. */
  load: (clientId: string) => Promise<Client | undefined>
  ghl: GhlApi
  /** How the client's number is set up at VAPI. */
  inspectNumber: (client: Client, signal: AbortSignal) => Promise<Finding[]>
  /** What the receptionist of this client is told. */
  promptOf: (client: Client) => string
  clock: Clock
  log: { error(facts: object, message: string): void }
  deadlineMs?: number
}

/** Tries what a client needs to be answered, booked and noted, and says of each what is wrong and how to mend it. */
export function createCheck(options: CheckOptions) {
  const { load, ghl, inspectNumber, promptOf, clock, log, deadlineMs = DEADLINE_MS } = options

  /** One part: whatever becomes of it, the others are told, and it is waited for no longer than the deadline. */
  async function part(item: string, end: Promise<never>, work: () => Promise<Finding[]>): Promise<Finding[]> {
    try {
      return await Promise.race([work(), end])
    } catch (error) {
      log.error({ err: error, item }, 'a part of the check of a client failed')
      return [failed(item, 'This could not be tried.', "Try again; if it stays so, see the server's log.")]
    }
  }

  /** A token that does not open says more than what the CRM says to none; who has installed the app needs no token. */
  async function crm(client: Client, signal: AbortSignal): Promise<Finding[]> {
    const errand = { clientId: client.id, ...client.crm, signal, insists: true }
    const found = await checkCrm(client, ghl.forClient(errand), clock)
    const problem = client.problems.find((each) => each.startsWith('ghl_token'))
    if (!problem) return found
    const remedy = 'Give the server the key it was sealed with (ENCRYPTION_KEY), or store the token again.'
    return found.map((each) =>
      each.item === 'token' && each.status === 'failed' ? failed('token', `${problem}.`, remedy) : each,
    )
  }

  return {
    /**
     * Changes nothing, and takes nine and a half seconds at most, whatever does not answer.
     * @throws AppError CLIENT_UNKNOWN
     */
    async run(clientId: string, outer: AbortSignal): Promise<CheckReport> {
      const client = isId(clientId) ? await load(clientId) : undefined
      if (!client) throw new AppError('CLIENT_UNKNOWN')
      const signal = AbortSignal.any([outer, AbortSignal.timeout(deadlineMs)])
      const { promise: end, reject } = Promise.withResolvers<never>()
      end.catch(() => {})
      const timer = setTimeout(reject, deadlineMs + GRACE_MS, new Error('no end within the deadline'))
      const parts = await Promise.all([
        [statusOf(client), settingsOf(client)],
        part('token', end, () => crm(client, signal)),
        part('vapi-number', end, () => inspectNumber(client, signal)),
        part('prompt', end, async () => [promptSize(promptOf(client))]),
      ])
      clearTimeout(timer)
      const items = parts.flat()
      return {
        client_id: client.id,
        client_name: client.name,
        ok: items.every(({ status }) => status !== 'failed'),
        items,
      }
    },
  }
}

export type Check = ReturnType<typeof createCheck>

function statusOf({ active }: Client): Finding {
  return active
    ? ok('status', 'The client is active.')
    : warning(
        'status',
        'The client is not active: its calls are not answered by the receptionist.',
        'Set status to active.',
      )
}

/** What the row says about itself. A bad setting is left out and the rest works; without a number nothing does. */
function settingsOf({ problems }: Client): Finding {
  const own = problems.filter((problem) => !problem.startsWith('ghl_token'))
  if (own.length === 0) return ok('settings', 'All settings can be used.')
  const tell = own.every((problem) => problem.startsWith('settings')) ? warning : failed
  const remedy = 'Correct them: npm run clients -- set <client> …, or PATCH /admin/clients/:id.'
  return tell('settings', `${own.join('; ')}.`, remedy)
}

function promptSize(prompt: string): Finding {
  const tokens = Math.ceil(prompt.length / CHARACTERS_A_TOKEN)
  const size = `The prompt has ${prompt.length} characters, about ${tokens} tokens`
  if (tokens <= PROMPT_TOKENS_MAX) return ok('prompt', `${size}.`)
  return warning(
    'prompt',
    `${size}; beyond ${PROMPT_TOKENS_MAX} the receptionist answers late and follows single instructions less.`,
    'Shorten business_details, services or instructions.',
  )
}
