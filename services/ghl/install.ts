import { jwtVerify, SignJWT } from 'jose'
import type { KeyRing } from '../auth/key-ring.ts'
import { AppError, invalid } from '../errors.ts'
import type { Secrets } from '../secrets.ts'
import { UpstreamError } from '../upstream.ts'
import type { OAuthApi } from './oauth-api.ts'
import { sealed } from './renewal.ts'
import type { TokenRepository } from './tokens-repository.ts'

/** Where GHL asks a user which of the agency's locations the app may use. */
const CHOOSE = 'https://marketplace.gohighlevel.com/oauth/chooselocation'
/** What the tools, the notes after a call and the check of a client need; the last two are for agencies. */
const SCOPES = [
  ...['contacts.readonly', 'contacts.write', 'locations.readonly'],
  ...['calendars.readonly', 'calendars/events.readonly', 'calendars/events.write'],
  ...['conversations.readonly', 'conversations.write', 'conversations/message.write'],
  ...['oauth.readonly', 'oauth.write'],
]
/** Time to sign in and to choose. */
const LINK_SECONDS = 30 * 60
const ALGORITHM = 'HS256'
const AUDIENCE = 'ghl-install'
const DEADLINE_MS = 20_000

export interface InstallOptions {
  oauth: Pick<OAuthApi, 'exchange' | 'ofLocation'>
  repository: Pick<TokenRepository, 'connect'>
  secrets: Pick<Secrets, 'seal'>
  keys: Pick<KeyRing, 'refresh' | 'signing' | 'byId'>
  /** Undefined: there is no such client. */
  locationOf: (clientId: string) => Promise<{ locationId: string } | undefined>
  app: { readonly clientId: string }
  redirectUri: string
  /** Told whose credential is another now. */
  onConnected: (clientId: string) => void
  log: { info(facts: object, message: string): void }
}

/**
 * How a client's account comes to be connected through the agency's marketplace app: an operator gets a link for one
 * client, somebody who may do so consents at GHL, and GHL sends their browser back with a code.
 */
export function createInstall(options: InstallOptions) {
  const { oauth, repository, secrets, keys, locationOf, app, redirectUri, onConnected, log } = options

  /** @throws AppError CONSENT_INVALID */
  async function clientIn(state: string): Promise<string> {
    const refused = new AppError('CONSENT_INVALID', {
      field: 'state',
      detail: 'The link was not made here, or is too old. Ask for a new one.',
    })
    try {
      const key = async ({ kid = '' }) => (await keys.byId(kid))?.key ?? Promise.reject(refused)
      const claims = { algorithms: [ALGORITHM], audience: AUDIENCE, requiredClaims: ['exp', 'sub'] }
      const { payload } = await jwtVerify(state, key, claims)
      return payload.sub ?? Promise.reject(refused)
    } catch {
      throw refused
    }
  }

  /** A location's own tokens, whoever consented: the location itself, or its agency. */
  async function tokensFor(code: string, wanted: string) {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    const given = await oauth.exchange(code, signal)
    if (given.userType === 'Location') return { ...given, locationId: given.locationId ?? '' }
    if (!wanted || !given.companyId)
      throw invalid('location_id', 'An agency consented: say first which of its locations the client has.')
    const own = await oauth.ofLocation(given.access, given.companyId, wanted, signal)
    const { userType, companyId, refresh } = given
    return { ...own, userType, companyId, refresh, locationId: own.locationId ?? wanted }
  }

  return {
    /**
     * The address at which to consent for this client, good for half an hour.
     * @throws AppError CLIENT_UNKNOWN
     */
    async start(clientId: string): Promise<{ url: string; expiresInSeconds: number }> {
      if (!(await locationOf(clientId))) throw new AppError('CLIENT_UNKNOWN')
      await keys.refresh()
      const signing = keys.signing()
      if (!signing) throw new Error('there is no key for the purpose ghl-install')
      const state = await new SignJWT()
        .setProtectedHeader({ alg: ALGORITHM, kid: signing.id })
        .setAudience(AUDIENCE)
        .setSubject(clientId)
        .setExpirationTime(`${LINK_SECONDS}s`)
        .sign(signing.key)
      const url = new URL(CHOOSE)
      const query = { response_type: 'code', client_id: app.clientId, redirect_uri: redirectUri, state }
      for (const [name, value] of Object.entries({ ...query, scope: SCOPES.join(' ') }))
        url.searchParams.set(name, value)
      return { url: url.href, expiresInSeconds: LINK_SECONDS }
    },

    /**
     * Connects the client that `state` names with the account whose code it is.
     * @throws AppError CONSENT_INVALID, CLIENT_UNKNOWN, INVALID_INPUT, CRM_REFUSED, CRM_UNAVAILABLE, CRM_TIMEOUT
     */
    async complete(code: string, state: string): Promise<{ clientId: string; locationId: string }> {
      const clientId = await clientIn(state)
      const client = await locationOf(clientId)
      if (!client) throw new AppError('CLIENT_UNKNOWN')
      const tokens = await tokensFor(code, client.locationId).catch((error: unknown) => {
        throw error instanceof UpstreamError ? error.toAppError() : error
      })
      const { refresh, locationId } = tokens
      if (!locationId || (client.locationId && client.locationId !== locationId))
        throw new AppError('CONSENT_INVALID', {
          field: 'location_id',
          detail: "The consent was given for another location than the client's.",
        })
      if (!refresh) throw new AppError('CRM_REFUSED', { cause: 'no refresh token in the answer' })
      const stored = sealed(secrets, clientId, { ...tokens, refresh, locationId })
      await repository.connect(clientId, stored, tokens.expiresInSeconds)
      onConnected(clientId)
      log.info({ client: clientId }, "a client's GHL account is connected")
      return { clientId, locationId }
    },
  }
}

export type Install = ReturnType<typeof createInstall>
