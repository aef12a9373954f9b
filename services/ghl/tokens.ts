import { hash } from 'node:crypto'
import { createLru } from '../lru.ts'
import type { Secrets } from '../secrets.ts'
import { NotSent } from '../upstream.ts'
import { createKnownCredentials } from './known-credentials.ts'
import { ConsentLost, type Renewal } from './renewal.ts'
import type { TokenRepository } from './tokens-repository.ts'

const CLIENTS_MAX = 10_000
/** Tokens live for a day. New ones are fetched beside the work while the old ones are still good. */
const RENEW_BEFORE_MS = 600_000
/** Under way a token may not run out. */
const LAST_MS = 5_000
const RENEW_AGAIN_MS = 30_000

/**
 * A refused token does not get better by being shown more often, but GHL's own sign-in has its bad minutes too.
 * Without a change by anybody it is tried again after so long.
 */
const RETRY_SECONDS = { token: 120, consent: 600 }

/** Whose account it is. */
export interface Account {
  readonly clientId: string
  /** The client's own token; a client that has installed the app needs none. */
  readonly token: string
  /** An operator wants to know, now: a pause is no reason to wait. */
  readonly insists?: boolean | undefined
}

/** What a request is sent with. */
export interface Credential {
  readonly token: string
  /** Tells it apart from those before and after it, and holds nothing of it. */
  readonly name: string
  /** It was refused some minutes ago, and is tried again. */
  readonly onTrial?: boolean
}

export interface TokensOptions {
  repository: Pick<TokenRepository, 'of' | 'pause' | 'resume'>
  secrets: Pick<Secrets, 'open'>
  /** Undefined: there is no app, and OAuth tokens end with their time. */
  renewal: Renewal | undefined
  log: { error(facts: object, message: string): void; info(facts: object, message: string): void }
}

/**
 * Which credential a client's requests are sent with, and whether they are sent at all.
 *
 * A client whose credential was refused is paused: its requests fail here at once, for all instances, until the
 * credential or the client is changed or some minutes have passed. The others notice nothing.
 */
export function createTokens({ repository, secrets, renewal, log }: TokensOptions) {
  const credentials = createKnownCredentials({ repository, secrets, log })
  const lately = createLru<true>(CLIENTS_MAX, { ttl: RENEW_AGAIN_MS })
  const pausing = new Map<string, Promise<void>>()

  /** Beside the work: who asked has a token that is good for minutes yet. */
  function renewSoon(clientId: string, version: number) {
    if (!renewal || lately.has(clientId)) return
    lately.set(clientId, true)
    void renew(clientId, version).catch((error) =>
      log.error({ client: clientId, err: error }, "a client's GHL tokens could not be renewed"),
    )
  }

  async function renew(clientId: string, version: number) {
    if (!renewal) throw new ConsentLost('there is no app to renew it with')
    await renewal.renew(clientId, version)
    credentials.forget(clientId)
  }

  /** Until the tokens are renewed, or nobody waits any more. */
  async function renewed(account: Account, version: number, operation: string, signal: AbortSignal) {
    const left = Promise.withResolvers<never>()
    const leave = () => left.reject(new NotSent(operation, 'cancelled', 'its token was being renewed'))
    signal.addEventListener('abort', leave, { once: true })
    try {
      await Promise.race([renew(account.clientId, version), left.promise])
    } catch (error) {
      if (error instanceof ConsentLost) {
        await pause(account, `oauth:${version}`, 'consent')
        throw paused(operation, REASONS.consent, RETRY_SECONDS.consent)
      }
      if (error instanceof NotSent) throw error
      log.error({ client: account.clientId, err: error }, "a client's GHL tokens could not be renewed")
      throw new NotSent(operation, 'busy', 'its token could not be renewed', 2)
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  /** Once, however many requests were refused at the same time. */
  async function pause({ clientId }: Account, credential: string, why: keyof typeof REASONS) {
    const key = `${clientId} ${credential}`
    const known = pausing.get(key)
    if (known) return known
    const own = notePause(clientId, credential, why).finally(() => pausing.delete(key))
    pausing.set(key, own)
    return own
  }

  async function notePause(clientId: string, credential: string, why: keyof typeof REASONS) {
    const reason = REASONS[why]
    try {
      const note = { credential, reason, retrySeconds: RETRY_SECONDS[why] }
      const news = await repository.pause(clientId, note)
      if (news) log.error({ client: clientId, reason }, 'a client is paused for CRM work')
      credentials.forget(clientId)
    } catch (error) {
      log.error({ client: clientId, reason, err: error }, 'GHL refused a client, and it could not be noted')
    }
  }

  return {
    /**
     * @throws NotSent if the client is paused, has no credential, or its tokens have run out and are not to be had
     */
    async of(account: Account, operation: string, signal: AbortSignal): Promise<Credential> {
      for (let round = 0; ; round += 1) {
        const { oauth, pause } = await credentials.of(account.clientId)
        const now = performance.now()
        const credential = oauth ?? staticOf(account)
        if (!credential) throw new NotSent(operation, 'busy', 'no credential of the client is known', 2)
        const onTrial = pause?.credential === credential.name
        if (onTrial && now < pause.retryAt && !account.insists)
          throw paused(operation, pause.reason, (pause.retryAt - now) / 1_000)
        if (!oauth || now < oauth.goodUntil - LAST_MS || round > 0) {
          if (oauth && now > oauth.goodUntil - RENEW_BEFORE_MS) renewSoon(account.clientId, oauth.version)
          return { ...credential, onTrial }
        }
        await renewed(account, oauth.version, operation, signal)
      }
    },

    /**
     * GHL refused it. Answers what to try instead, once; undefined if there is nothing, and then the client is paused.
     * @throws NotSent
     */
    async instead(
      account: Account,
      refused: Credential,
      operation: string,
      signal: AbortSignal,
    ): Promise<Credential | undefined> {
      const { oauth } = await credentials.of(account.clientId)
      // It has been replaced since: by a consent, by another instance, or by whoever was refused a moment earlier.
      if (oauth && oauth.name !== refused.name) return oauth
      if (oauth && renewal) {
        await renewed(account, oauth.version, operation, signal)
        return this.of(account, operation, signal)
      }
      await pause(account, refused.name, 'token')
      return undefined
    },

    /** GHL refused what was tried instead, too. */
    giveUp: (account: Account, refused: Credential) => pause(account, refused.name, 'token'),

    /** GHL took what was on trial. */
    async accepted({ clientId }: Account): Promise<void> {
      try {
        await repository.resume(clientId)
        log.info({ client: clientId }, 'CRM work goes on for a client')
      } catch (error) {
        log.error({ client: clientId, err: error }, 'a pause that is over could not be ended')
      }
      credentials.forget(clientId)
    },

    /** Something about this client, or about any of them, has changed. */
    changed(clientId: string | undefined): void {
      if (clientId) credentials.forget(clientId)
      else credentials.clear()
    },
  }
}

export type GhlTokens = ReturnType<typeof createTokens>

/** What an operator reads. */
const REASONS = {
  token: 'GHL refuses the token. Give the client a new one, or connect its account again.',
  consent: 'GHL gives no new tokens: the consent was withdrawn or has run out. Connect the account again.',
} as const

const paused = (operation: string, reason: string, retryAfterSeconds: number) =>
  new NotSent(operation, 'paused', `the client is paused: ${reason}`, retryAfterSeconds)

function staticOf({ token }: Account): Credential | undefined {
  if (!token) return undefined
  const digest = hash('sha256', token, 'base64url').slice(0, 16)
  return { token, name: `token:${digest}` }
}
