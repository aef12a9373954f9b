import { randomBytes } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import type { CrmApp } from './context.ts'
import { Refusal, unauthorized } from './errors.ts'
import type { Store } from './store.ts'
import { oneOf, someText, strict } from './validation.ts'

export interface AppSeed {
  clientId: string
  clientSecret: string
}

/** What somebody consents to: the app in one location, or in an agency with some of its locations. */
export type Consent = { locationId: string } | { companyId: string; locationIds: readonly string[] }

/** What a test does at GoHighLevel's side of OAuth. */
export interface OAuthControls {
  /** Somebody consents: the code their browser brings back, good once. */
  consent(consent: Consent): string
  /** The access tokens of a location end, as they do after a day. */
  expire(locationId: string): void
  /** The app is removed from a location: nothing it was given there is good any more. */
  withdraw(locationId: string): void
}

interface Grant {
  readonly consent: Consent
  withdrawn: boolean
}

const SCOPES = 'contacts.readonly contacts.write calendars.readonly calendars/events.write'
const LIFE_SECONDS = 86_399

const credentials = { client_id: someText, client_secret: someText }
const tokenBody = Type.Union([
  strict({
    ...credentials,
    grant_type: Type.Literal('authorization_code'),
    code: someText,
    user_type: Type.Optional(oneOf(['Company', 'Location'])),
    redirect_uri: Type.Optional(someText),
  }),
  strict({
    ...credentials,
    grant_type: Type.Literal('refresh_token'),
    refresh_token: someText,
    user_type: Type.Optional(oneOf(['Company', 'Location'])),
  }),
])
const locationBody = strict({ companyId: someText, locationId: someText })
const reconnectBody = strict({ clientKey: someText, clientSecret: someText, locationId: someText })

const refuse = (error: string, text: string) => new Refusal(400, text, { error, error_description: text })

/** OAuth for one marketplace app: each refresh spends the token it is made with, as the live service does. */
export function createOAuth(store: Store, app: AppSeed | undefined) {
  const codes = new Map<string, Grant>()
  const refreshes = new Map<string, Grant>()
  const agencies = new Map<string, Grant>()
  const grants = new Set<Grant>()

  const holds = ({ consent }: Grant, locationId: string) =>
    'locationId' in consent ? consent.locationId === locationId : consent.locationIds.includes(locationId)
  const secret = (kind: string) => `${kind}-${randomBytes(24).toString('base64url')}`

  function checkApp(clientId: string, clientSecret: string) {
    if (app?.clientId !== clientId || app.clientSecret !== clientSecret)
      throw unauthorized('Invalid client: client is invalid')
  }

  function accessTo(locationId: string): string {
    const location = store.locations.get(locationId)
    if (!location) throw refuse('invalid_request', `no location ${locationId}`)
    const access = secret('access')
    store.byToken.set(access, location)
    return access
  }

  function spend(from: Map<string, Grant>, key: string): Grant {
    const grant = from.get(key)
    from.delete(key)
    if (!grant || grant.withdrawn) throw refuse('invalid_grant', 'Invalid grant: it is invalid or was used')
    return grant
  }

  function tokensOf(grant: Grant) {
    const refresh = secret('refresh')
    refreshes.set(refresh, grant)
    const common = { token_type: 'Bearer', expires_in: LIFE_SECONDS, refresh_token: refresh, scope: SCOPES }
    const { consent } = grant
    if ('locationId' in consent) {
      const { locationId } = consent
      const own = { access_token: accessTo(locationId), userType: 'Location', locationId }
      return { ...common, ...own, companyId: 'TestCompany000000001', userId: 'TestUser000000000001' }
    }
    const access = secret('agency')
    agencies.set(access, grant)
    const { companyId } = consent
    return { ...common, access_token: access, userType: 'Company', companyId, userId: 'TestUser000000000001' }
  }

  function granted(consent: Consent): string {
    const grant: Grant = { consent, withdrawn: false }
    grants.add(grant)
    const code = secret('code')
    codes.set(code, grant)
    return code
  }

  const controls: OAuthControls = {
    consent: granted,
    expire(locationId) {
      for (const [token, { id }] of store.byToken)
        if (id === locationId && token.startsWith('access-')) store.byToken.delete(token)
    },
    withdraw(locationId) {
      this.expire(locationId)
      for (const grant of grants) if (holds(grant, locationId)) grant.withdrawn = true
    },
  }

  return {
    controls,

    /** In a scope without the gate: what is asked here is asked without a location's token. */
    install(crm: CrmApp): void {
      crm.addContentTypeParser(
        'application/x-www-form-urlencoded',
        { parseAs: 'string' },
        (_request, body, done) =>
          done(null, Object.fromEntries(new URLSearchParams(body as string).entries())),
      )

      crm.post('/oauth/token', { schema: { body: tokenBody } }, ({ body }) => {
        checkApp(body.client_id, body.client_secret)
        return tokensOf(
          body.grant_type === 'refresh_token'
            ? spend(refreshes, body.refresh_token)
            : spend(codes, body.code),
        )
      })

      crm.post('/oauth/locationToken', { schema: { body: locationBody } }, ({ headers, body }) => {
        if (headers.version !== '2021-07-28') throw unauthorized('version header is invalid')
        const grant = agencies.get(/^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? '')
        const { consent } = grant ?? {}
        if (!grant || grant.withdrawn || !consent || !('companyId' in consent))
          throw unauthorized('Invalid JWT')
        if (consent.companyId !== body.companyId || !holds(grant, body.locationId))
          throw refuse('invalid_request', 'Location not found')
        const { locationId } = body
        const token = { access_token: accessTo(locationId), token_type: 'Bearer', expires_in: LIFE_SECONDS }
        return { ...token, scope: SCOPES, locationId, userId: 'TestUser000000000001' }
      })

      crm.post('/oauth/reconnect', { schema: { body: reconnectBody } }, ({ body }) => {
        checkApp(body.clientKey, body.clientSecret)
        const installed = [...grants].some((grant) => !grant.withdrawn && holds(grant, body.locationId))
        if (!installed) throw refuse('invalid_request', 'The app is not installed there')
        return { authorizationCode: granted({ locationId: body.locationId }), expiresAt: Date.now() + 60_000 }
      })
    },
  }
}
