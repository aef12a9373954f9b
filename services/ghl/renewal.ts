import { setTimeout as pause } from 'node:timers/promises'
import { placeOf, type Secrets } from '../secrets.ts'
import { UpstreamError } from '../upstream.ts'
import type { OAuthApi, Tokens } from './oauth-api.ts'
import type { LeasedTokens, StoredTokens, TokenRepository } from './tokens-repository.ts'

/** Longer than two requests to GHL may take and a database that comes back may need. */
const LEASE_SECONDS = 30
/** Whoever finds that another instance is fetching tokens looks for them this often. */
const LOOK_MS = 100
/** As long as tokens that we were given could not be stored, it is tried again: nobody else has them. */
const SAVE_AGAIN_MS = 250
const SAVE_PATIENCE_MS = 20_000

/** GHL gives this app no tokens for this client any more. */
export class ConsentLost extends Error {
  override readonly name = 'ConsentLost'
}

export interface RenewalOptions {
  repository: Pick<TokenRepository, 'of' | 'lease' | 'release' | 'replace'>
  oauth: OAuthApi
  secrets: Pick<Secrets, 'seal' | 'open'>
}

/** Tokens in the form in which they are stored: sealed, each good in its own row and column only. */
export function sealed(
  secrets: Pick<Secrets, 'seal'>,
  clientId: string,
  tokens: Tokens & { refresh: string; locationId: string },
): StoredTokens {
  return {
    access_token: secrets.seal(tokens.access, placeOf('ghl_oauth_tokens.access_token', clientId)),
    refresh_token: secrets.seal(tokens.refresh, placeOf('ghl_oauth_tokens.refresh_token', clientId)),
    user_type: tokens.userType,
    company_id: tokens.companyId ?? null,
    location_id: tokens.locationId,
    scopes: tokens.scopes,
  }
}

/**
 * Fetches new tokens for a client: once, however many requests and instances find that the old ones are no good.
 *
 * A refresh takes a request to GHL, so no row can be locked for as long: a lease on the row says whose it is, and
 * the others wait for the row to change. Who brings new tokens names the version they replace, and both are stored
 * in one statement before anything uses them. The refresh spends the token it is made with, so a process that is
 * killed between GHL's answer and that statement takes the only good ones with it. Then the lease runs out, the
 * next refresh is refused, and GHL is asked for a code to reconnect the app, which wants no consent.
 */
export function createRenewal({ repository, oauth, secrets }: RenewalOptions) {
  const under = new Map<string, Promise<void>>()
  const { signal } = new AbortController()

  /** Keeps at it while the database is away. What comes of another version than ours is left alone. */
  async function save(clientId: string, version: number, tokens: StoredTokens, seconds: number) {
    const until = performance.now() + SAVE_PATIENCE_MS
    for (;;) {
      try {
        return await repository.replace(clientId, version, tokens, seconds)
      } catch (error) {
        if (performance.now() > until) throw error
        await pause(SAVE_AGAIN_MS)
      }
    }
  }

  async function fetchNew(clientId: string, row: LeasedTokens): Promise<Tokens & { refresh: string }> {
    const old = secrets.open(row.refresh_token, placeOf('ghl_oauth_tokens.refresh_token', clientId))
    const own = await oauth.refresh(old, row.user_type, signal).catch(async (error) => {
      if (!isSpent(error)) throw error
      // Whoever had the lease before us may have been slow and not dead.
      const now = await repository.of(clientId)
      if (now?.version !== row.version) throw new Superseded()
      const code = await oauth.reconnect(row.location_id, signal).catch(refusal)
      return oauth.exchange(code, signal).catch(refusal)
    })
    const { access, userType, companyId, refresh = old } = own
    if (userType === 'Location' || !companyId) return { ...own, refresh }
    try {
      const location = await oauth.ofLocation(access, companyId, row.location_id, signal)
      return { ...location, refresh, userType, companyId }
    } catch (error) {
      // The old one is spent all the same, so the agency's new one is kept beside an access token that is none.
      const kept = sealed(secrets, clientId, { ...own, refresh, locationId: row.location_id })
      await save(clientId, row.version, { ...kept, access_token: row.access_token }, 0)
      return refusal(error)
    }
  }

  async function renew(clientId: string, version: number): Promise<void> {
    for (;;) {
      const row = await repository.lease(clientId, version, LEASE_SECONDS)
      if (row) {
        try {
          const tokens = await fetchNew(clientId, row)
          const stored = sealed(secrets, clientId, { ...tokens, locationId: row.location_id })
          await save(clientId, version, stored, tokens.expiresInSeconds)
        } catch (error) {
          if (error instanceof Superseded) return
          // If this fails as well, the lease runs out.
          await repository.release(clientId, version).catch(() => {})
          throw error
        }
        return
      }
      const now = await repository.of(clientId)
      if (now?.version !== version) return
      await pause(LOOK_MS)
    }
  }

  return {
    /**
     * Has the tokens of `version` replaced. When it is done the row holds others, whoever fetched them.
     * @throws ConsentLost, UpstreamError, or as the database does
     */
    async renew(clientId: string, version: number): Promise<void> {
      const key = `${clientId} ${version}`
      const known = under.get(key)
      if (known) return known
      const own = renew(clientId, version).finally(() => under.delete(key))
      under.set(key, own)
      return own
    },
  }
}

export type Renewal = ReturnType<typeof createRenewal>

/** There are newer tokens already. */
class Superseded extends Error {}

/** A refresh token that was used, or whose consent was withdrawn: `invalid_grant`, with either status. */
const isSpent = (error: unknown) =>
  error instanceof UpstreamError && (error.status === 400 || error.status === 401)

/** An answer that says no is final; no answer is not. */
function refusal(error: unknown): never {
  const final = error instanceof UpstreamError && !error.unanswered && error.status !== 429
  throw final ? new ConsentLost('GHL gives no new tokens', { cause: error }) : error
}
