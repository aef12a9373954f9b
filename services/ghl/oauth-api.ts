import type { Dispatcher } from 'undici'
import type { Lanes } from '../lanes.ts'
import { createSender, operationOf, parseJson, UpstreamError, type UpstreamRequest } from '../upstream.ts'

const DEADLINE_MS = 8_000
/** `POST /oauth/locationToken` is documented for this version; the others want none. */
const VERSION = '2021-07-28'
/** A token that does not say how long it lives is taken to live for an hour; GHL's live for a day. */
const LIFE_SECONDS = 3_600

/** The agency's marketplace app. */
export interface GhlApp {
  readonly clientId: string
  readonly clientSecret: string
}

export interface OAuthOptions {
  baseUrl: string
  dispatcher: Dispatcher
  /** One for all clients: it is the same app. */
  lanes: Pick<Lanes, 'run'>
  app: GhlApp
  redirectUri: string
}

/** Tokens as GHL gave them. */
export interface Tokens {
  readonly access: string
  /** Spends the one before it. Undefined for a location's token that was derived from an agency's. */
  readonly refresh: string | undefined
  readonly expiresInSeconds: number
  /** `Company`: of the whole agency, and no good for a location. */
  readonly userType: 'Location' | 'Company'
  readonly companyId: string | undefined
  readonly locationId: string | undefined
  readonly scopes: string
}

/** GHL's OAuth. Everything throws UpstreamError, whose text holds no token. */
export function createOAuthApi({ baseUrl, dispatcher, lanes, app, redirectUri }: OAuthOptions) {
  const send = createSender({ baseUrl, dispatcher, deadlineMs: DEADLINE_MS })
  const own = { client_id: app.clientId, client_secret: app.clientSecret }

  async function ask(given: Omit<UpstreamRequest, 'method'>): Promise<Record<string, unknown>> {
    const request = { ...given, method: 'POST' } as const
    const passage = { key: '', operation: operationOf(request), signal: request.signal }
    const { status, text } = await lanes.run(passage, () => send(request))
    const value = parseJson(text)
    if (status < 300 && typeof value === 'object' && value !== null) return value as Record<string, unknown>
    throw new UpstreamError(`POST ${request.path}`, 'the answer cannot be read', {
      status,
      outcome: 'unknown',
    })
  }

  const token = async (form: Record<string, string>, signal: AbortSignal) =>
    readTokens(await ask({ path: '/oauth/token', form: { ...own, ...form }, signal }))

  return {
    /** What a consent's code is good for; once. */
    exchange: (code: string, signal: AbortSignal) =>
      token(
        { grant_type: 'authorization_code', code, user_type: 'Location', redirect_uri: redirectUri },
        signal,
      ),

    /** New tokens for a refresh token, which is spent with it whether we hear the answer or not. */
    refresh: (refreshToken: string, userType: string, signal: AbortSignal) =>
      token({ grant_type: 'refresh_token', refresh_token: refreshToken, user_type: userType }, signal),

    /** A location's token from its agency's. */
    async ofLocation(agencyToken: string, companyId: string, locationId: string, signal: AbortSignal) {
      const headers = { authorization: `Bearer ${agencyToken}`, version: VERSION }
      const form = { companyId, locationId }
      return readTokens(await ask({ path: '/oauth/locationToken', headers, form, signal }))
    },

    /** A code in the place of a consent, for an app that is installed and whose tokens were lost. */
    async reconnect(locationId: string, signal: AbortSignal): Promise<string> {
      const body = { clientKey: app.clientId, clientSecret: app.clientSecret, locationId }
      const { authorizationCode } = await ask({ path: '/oauth/reconnect', body, signal })
      if (typeof authorizationCode === 'string' && authorizationCode) return authorizationCode
      throw new UpstreamError('POST /oauth/reconnect', 'no code in the answer', {
        status: 400,
        outcome: 'none',
      })
    },
  }
}

export type OAuthApi = ReturnType<typeof createOAuthApi>

function readTokens(answer: Record<string, unknown>): Tokens {
  const text = (name: string) => {
    const value = answer[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const access = text('access_token')
  if (!access)
    throw new UpstreamError('POST /oauth/token', 'no token in the answer', {
      status: 200,
      outcome: 'unknown',
    })
  const life = Number(answer.expires_in)
  return {
    access,
    refresh: text('refresh_token'),
    expiresInSeconds: life > 0 ? life : LIFE_SECONDS,
    userType: text('userType') === 'Company' ? 'Company' : 'Location',
    companyId: text('companyId'),
    locationId: text('locationId'),
    scopes: text('scope') ?? '',
  }
}
