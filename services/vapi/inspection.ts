import type { Client } from '../clients/client.ts'
import { type Finding, failed, ok, skipped, warning } from '../findings.ts'
import { toE164 } from '../phone.ts'
import { UpstreamError } from '../upstream.ts'
import type { VapiApi, VapiNumber } from './api.ts'
import { isReachable, type Numbers } from './numbers.ts'
import { changesTo, STATIC_ANSWERERS, type WebhookServer } from './routing.ts'

const CONNECT = 'npm run clients -- connect <client>'

export interface InspectionOptions {
  vapi: Pick<VapiApi, 'configured'>
  numbers: Pick<Numbers, 'find'>
  server: WebhookServer
}

/** How a client's number is set up at VAPI, in findings: whether it is there, whom it asks, who helps out. */
export function createNumberInspection({ vapi, numbers, server }: InspectionOptions) {
  return async (client: Client, signal: AbortSignal): Promise<Finding[]> => {
    if (!vapi.configured)
      return [
        skipped('vapi-number', 'VAPI_API_KEY is not set.', 'Set it to the private key of the organisation.'),
      ]
    try {
      const number = await numbers.find(client.number, signal)
      if (number)
        return [...numberFindings(number), routing(client, number, server), fallback(client, number)]
      return [
        failed('vapi-number', `VAPI does not have the number ${client.number}.`, `Import it: ${CONNECT}`),
      ]
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      return [
        error.status === 401 || error.status === 403
          ? failed(
              'vapi-number',
              'VAPI does not accept the key.',
              'Set VAPI_API_KEY to a private key that is valid.',
            )
          : failed('vapi-number', 'VAPI did not answer.', 'Try again; see status.vapi.ai.'),
      ]
    }
  }
}

function numberFindings({ status }: VapiNumber): Finding[] {
  return [
    status && status !== 'active'
      ? warning(
          'vapi-number',
          `VAPI says that the number is ${status}.`,
          'See the number in the dashboard of VAPI.',
        )
      : ok('vapi-number', 'VAPI has the number.'),
  ]
}

/** Whether calls to the number come here. What keeps them away has failed, the rest could be better. */
function routing(client: Client, number: VapiNumber, server: WebhookServer): Finding {
  const { changes } = changesTo(number, { name: client.name, server, fallback: undefined })
  const changed = new Set(changes.map(({ field }) => field))
  const bad: string[] = []
  const poor: string[] = []
  if (!isReachable(server.url))
    bad.push(`VAPI cannot reach ${server.url}: PUBLIC_URL must be an https address`)
  if (changed.has('server.url'))
    bad.push(
      `its webhooks go ${number.server?.url ? `to ${placeOf(number.server.url)}` : 'nowhere'} and not here`,
    )
  const fixed = STATIC_ANSWERERS.filter((field) => number[field])
  if (fixed.length > 0) bad.push(`${fixed.join(' and ')} is set, so VAPI does not ask who answers`)
  if (changed.has('server.credentialId'))
    bad.push('its webhooks carry another credential than VAPI_CREDENTIAL_ID')
  else if (!server.credentialId && !number.server?.credentialId && !number.server?.headers)
    poor.push('its webhooks carry no credential')
  if (changed.has('server.headers')) poor.push('it has headers of its own, which may replace the credential')
  if (changed.has('server.encryptedPaths'))
    bad.push('its webhooks are encrypted, which this server cannot read')
  if (changed.has('server.backoffPlan') || changed.has('server.timeoutSeconds'))
    poor.push('what this server could not take is not repeated as it should be')
  if (number.hooks.length > 0) poor.push('it has hooks, which VAPI runs before it asks who answers')
  const said = [...bad, ...poor].join('; ')
  if (!said) return ok('vapi-routing', 'Calls to the number are answered by this server.')
  return (bad.length > 0 ? failed : warning)('vapi-routing', `Of the number: ${said}.`, `Mend it: ${CONNECT}`)
}

function fallback(client: Client, { fallbackDestination }: VapiNumber): Finding {
  const target = fallbackDestination?.number
  if (fallbackDestination && toE164(target) === client.number)
    return failed(
      'vapi-fallback',
      'The fallback destination is the number itself: its calls would come back.',
      `Name another: ${CONNECT} --fallback <number>`,
    )
  if (fallbackDestination)
    return ok('vapi-fallback', 'If this server cannot answer, the fallback destination does.')
  return warning(
    'vapi-fallback',
    'There is no fallback destination: if this server cannot answer, VAPI hangs up.',
    `Set settings.transfer_number, then ${CONNECT}`,
  )
}

/** Addresses may hold a secret in their query. */
function placeOf(address: unknown): string {
  const url = URL.parse(String(address))
  return url ? `${url.origin}${url.pathname}` : 'an address that cannot be read'
}
