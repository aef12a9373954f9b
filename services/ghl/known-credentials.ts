import { createLookup, SourceUnavailable } from '../cache.ts'
import { createLru } from '../lru.ts'
import { placeOf, SecretError, type Secrets } from '../secrets.ts'
import type { CredentialRow, TokenRepository } from './tokens-repository.ts'

/** For how long it is not asked again what is known of a client's credential. A change is announced. */
const TTL_MS = 300_000
const CLIENTS_MAX = 10_000
/** A caller waits. Who has the static token as well goes on with that. */
const PATIENCE_MS = 1_000
/** After the database did not answer, a client's next requests do not wait for it. */
const MAKESHIFT_MS = 2_000

/** What is stored of a client's credential, opened. Times are those of `performance.now()`. */
export interface Known {
  readonly oauth:
    | {
        readonly token: string
        readonly name: string
        readonly version: number
        readonly goodUntil: number
      }
    | undefined
  /** What was refused, and until when it is not to be tried again. */
  readonly pause:
    | { readonly credential: string; readonly reason: string; readonly retryAt: number }
    | undefined
}

export interface KnownOptions {
  repository: Pick<TokenRepository, 'of'>
  secrets: Pick<Secrets, 'open'>
  log: { error(facts: object, message: string): void }
}

const NOTHING: Known = Object.freeze({ oauth: undefined, pause: undefined })

/** What is known of clients' credentials, through memory. While the database is away: what was known, or nothing. */
export function createKnownCredentials({ repository, secrets, log }: KnownOptions) {
  const lookup = createLookup<Known>({
    max: CLIENTS_MAX,
    ttlMs: TTL_MS,
    patienceMs: PATIENCE_MS,
    load: async (clientId) => toKnown(clientId, await repository.of(clientId)),
  })
  const makeshift = createLru<Known>(CLIENTS_MAX, { ttl: MAKESHIFT_MS })

  function toKnown(clientId: string, row: CredentialRow | undefined): Known {
    if (!row) return NOTHING
    const now = performance.now()
    const { access_token, version, expires_in, refused, reason, retry_in } = row
    const token = access_token === null ? undefined : opened(clientId, access_token)
    return Object.freeze({
      oauth:
        token !== undefined && version !== null
          ? { token, name: `oauth:${version}`, version, goodUntil: now + (expires_in ?? 0) * 1_000 }
          : undefined,
      pause:
        refused !== null && reason !== null
          ? { credential: refused, reason, retryAt: now + (retry_in ?? 0) * 1_000 }
          : undefined,
    })
  }

  function opened(clientId: string, stored: string): string | undefined {
    try {
      return secrets.open(stored, placeOf('ghl_oauth_tokens.access_token', clientId))
    } catch (error) {
      if (!(error instanceof SecretError)) throw error
      log.error({ client: clientId, err: error }, "a client's GHL tokens cannot be opened")
      return undefined
    }
  }

  return {
    async of(clientId: string): Promise<Known> {
      const substitute = makeshift.get(clientId)
      if (substitute) return substitute
      const found = await lookup.get(clientId).catch((error: unknown) => {
        if (!(error instanceof SourceUnavailable)) throw error
        return undefined
      })
      const value = found?.value ?? NOTHING
      if (!found || found.source === 'last-known') makeshift.set(clientId, value)
      return value
    },

    /** It has changed. */
    forget(clientId: string): void {
      lookup.outdate(clientId)
      makeshift.delete(clientId)
    },

    /** Anything may have changed. */
    clear(): void {
      lookup.clear()
      makeshift.clear()
    },
  }
}

export type KnownCredentials = ReturnType<typeof createKnownCredentials>
