import type { Client } from '../clients/client.ts'
import { toE164 } from '../phone.ts'
import type { VapiApi, VapiNumber } from './api.ts'
import { type Change, changesTo, importBody, type Routing, type WebhookServer } from './routing.ts'

/** With what a number is imported that VAPI does not have yet. */
export interface TwilioAccount {
  accountSid: string | undefined
  authToken: string | undefined
}

export interface ConnectRequest {
  client: Client
  /** Who takes calls that this server could not answer, E.164; undefined: the client's transfer number. */
  fallback: string | undefined
  twilio: TwilioAccount
}

/** What connecting would do. Holds no secret: it is for people. */
export interface ConnectPlan {
  readonly action: 'nothing' | 'change' | 'import'
  /** E.164 */
  readonly number: string
  readonly changes: readonly Change[]
  /** What will not work, or not well, all the same. */
  readonly warnings: readonly string[]
}

/** The number cannot be connected; the message says why and what to do, and is safe to show. */
export class ConnectRefused extends Error {
  override readonly name = 'ConnectRefused'
}

export interface NumbersOptions {
  vapi: Pick<VapiApi, 'configured' | 'numbers' | 'createNumber' | 'updateNumber'>
  server: WebhookServer
  /** Notes who did it; called when it is done. */
  audit: (entry: {
    operator: string
    operation: string
    clientId: string
    details: Record<string, unknown>
  }) => Promise<void>
}

/** Clients' phone numbers at VAPI. */
export function createNumbers({ vapi, server, audit }: NumbersOptions) {
  async function find(number: string, signal: AbortSignal): Promise<VapiNumber | undefined> {
    const all = await vapi.numbers(signal)
    return all.find((each) => each.number !== undefined && toE164(each.number) === number)
  }

  return {
    find,

    /**
     * What has to be done so that calls to a client's number are answered by this server, and a function that does
     * it. Nothing is changed before that is called.
     * @throws ConnectRefused; UpstreamError
     */
    async plan({ client, fallback, twilio }: ConnectRequest, signal: AbortSignal) {
      refuseUnusable(client, server, vapi)
      const wanted: Routing = { name: client.name, server, fallback: fallbackOf(client, fallback) }
      const found = await find(client.number, signal)
      const warnings: string[] = []
      if (!server.credentialId && !found?.server?.credentialId && !found?.server?.headers)
        warnings.push(
          'VAPI_CREDENTIAL_ID is not set: VAPI sends no credential, and a server with a webhook token refuses the call',
        )
      if (found?.hooks.length)
        warnings.push('the number has hooks, which VAPI runs before it asks who answers: see its dashboard')
      if (found?.status && found.status !== 'active')
        warnings.push(`VAPI says that the number is ${found.status}`)

      if (!found) {
        const { accountSid, authToken } = twilio
        if (!accountSid || !authToken)
          throw new ConnectRefused(
            `VAPI does not have the number ${client.number}. To import it from Twilio, give --twilio-account-sid and ` +
              '--twilio-auth-token (or TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN); or add it in the dashboard of VAPI.',
          )
        if (!wanted.fallback) warnings.push(NO_FALLBACK)
        const body = importBody(client.number, wanted, { accountSid, authToken })
        const changes = ['name', 'server', 'fallbackDestination'].flatMap((field) =>
          body[field] === undefined ? [] : { field, from: undefined, to: body[field] },
        )
        return planned({ action: 'import', number: client.number, changes, warnings }, client, () =>
          vapi.createNumber(body, signal),
        )
      }

      const { changes, body, fallback: kept } = changesTo(found, wanted)
      if (!kept) warnings.push(NO_FALLBACK)
      const action = changes.length === 0 ? 'nothing' : 'change'
      return planned({ action, number: client.number, changes, warnings }, client, () =>
        vapi.updateNumber(found.id, body, signal),
      )
    },
  }

  function planned(plan: ConnectPlan, client: Client, run: () => Promise<VapiNumber>) {
    return {
      plan: Object.freeze(plan),
      /** @throws UpstreamError */
      async apply(operator: string): Promise<void> {
        if (plan.action === 'nothing') return
        const { id } = await run()
        const fields = plan.changes.map(({ field }) => field)
        await audit({
          operator,
          operation: 'clients.connect',
          clientId: client.id,
          details: { action: plan.action, phoneNumberId: id, fields },
        })
      },
    }
  }
}

export type Numbers = ReturnType<typeof createNumbers>

const NO_FALLBACK =
  'there is no fallback destination: if this server cannot answer, VAPI hangs up. Set settings.transfer_number or give --fallback'

function refuseUnusable(client: Client, server: WebhookServer, vapi: Pick<VapiApi, 'configured'>): void {
  if (!vapi.configured)
    throw new ConnectRefused('VAPI_API_KEY is not set: the private key of the organisation at VAPI.')
  if (!isReachable(server.url))
    throw new ConnectRefused(
      `VAPI cannot reach ${server.url}. Set PUBLIC_URL to the https address of this server.`,
    )
  if (toE164(client.number) !== client.number)
    throw new ConnectRefused(`The client's twilio_number ${client.number} is not in E.164.`)
}

function fallbackOf(client: Client, given: string | undefined): string | undefined {
  const number = toE164(given ?? client.settings.transfer_number)
  if (given !== undefined && !number) throw new ConnectRefused(`${given} is not a phone number.`)
  if (number !== client.number) return number
  if (given !== undefined)
    throw new ConnectRefused("The fallback is the client's own number: its calls would come back.")
  return undefined
}

/** Whether VAPI, from outside, can get there: not to this machine, and not in plain text. */
export function isReachable(address: string | undefined): boolean {
  const url = URL.parse(address ?? '')
  return (
    url?.protocol === 'https:' &&
    !/^(localhost|.*\.(localhost|local|internal)|127\..*|\[::1\])$/.test(url.hostname)
  )
}
