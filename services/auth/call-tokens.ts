import { createHmac, hash } from 'node:crypto'
import { errors, jwtVerify } from 'jose'
import { MAX_DURATION_SECONDS } from '../../schemas/client.ts'
import type { Client } from '../clients/client.ts'
import { createLru } from '../lru.ts'
import type { Clock } from '../time.ts'
import type { KeyRing, SigningKey } from './key-ring.ts'

/** One server signs and verifies, so a shared secret will do; whatever else a token says of itself is refused. */
const ALGORITHM = 'HS256'
const ISSUER = '1000x-agent'
const AUDIENCE = 'call'
/** After the longest call: VAPI works the report up, and repeats it while it is not taken. */
const GRACE_SECONDS = 15 * 60
/** Longer is no id of VAPI's. */
const CALL_ID_MAX = 200

/** Tokens that need not be verified again; 0.4 KB each. A call sends its own with each tool it uses. */
const VERIFIED_MAX = 4_000

/** What a token says, and thereby proves: whose call it was minted for. */
export interface ProvenCall {
  readonly clientId: string
  readonly callId: string
  /** The number that rang, E.164: the client's at that time. */
  readonly number: string
  /** The caller's number, E.164; undefined where it is withheld. */
  readonly caller: string | undefined
}

/**
 * `outdated`: it has expired, or its key is gone. `forged`: it was never ours, or not for this.
 */
export type Reading = ProvenCall | 'outdated' | 'forged'

/** A token that was verified, which holds until its time is over or its key is gone. */
interface Verified {
  readonly call: ProvenCall
  readonly key: SigningKey
  /** Seconds since 1970. */
  readonly expires: number
}

export interface CallTokensOptions {
  keys: Pick<KeyRing, 'signing' | 'byId'>
  clock: Clock
  log: { error(facts: object, message: string): void }
}

/**
 * Tokens that VAPI sends back with whatever an assistant does in one call (JWT, HMAC with SHA-256). They open what
 * the assistant of that call needs, for as long as the call can last.
 */
export function createCallTokens({ keys, clock, log }: CallTokensOptions) {
  const verified = createLru<Verified>(VERIFIED_MAX)

  /** By its digest, so that memory holds no token. jose takes up to 190 µs of CPU, this 5. */
  async function verifiedBefore(digest: string): Promise<ProvenCall | undefined> {
    const known = verified.get(digest)
    if (!known) return undefined
    const key = await keys.byId(known.key.id)
    const holds = key?.secret.equals(known.key.secret) && known.expires > secondsOf(clock)
    if (holds) return known.call
    verified.delete(digest)
    return undefined
  }

  return {
    /** A token for a call of this client; undefined if none can be made: the call goes on without. Never throws. */
    mint(client: Client, callId: string, caller: string | undefined): string | undefined {
      try {
        const signing = keys.signing()
        if (!signing) throw new Error('there is no key')
        if (callId.length > CALL_ID_MAX) throw new Error('the id of the call is too long')
        const seconds = (client.settings.max_duration_seconds ?? MAX_DURATION_SECONDS) + GRACE_SECONDS
        const now = secondsOf(clock)
        const claims = { call: callId, number: client.number, ...(caller && { caller }) }
        return signed(signing, {
          ...claims,
          iss: ISSUER,
          aud: AUDIENCE,
          sub: client.id,
          iat: now,
          exp: now + seconds,
        })
      } catch (error) {
        log.error(
          { client: client.id, call: callId.slice(0, CALL_ID_MAX), err: error },
          'a call goes without a token',
        )
        return undefined
      }
    },

    /** What a token proves. Never rejects. */
    async read(token: string): Promise<Reading> {
      const digest = hash('sha256', token, 'base64url')
      const proven = await verifiedBefore(digest)
      if (proven) return proven
      let key: SigningKey | undefined
      let known = true
      try {
        const { payload } = await jwtVerify(
          token,
          async ({ kid }) => {
            key = kid ? await keys.byId(kid) : undefined
            if (!key) known = !kid
            return key?.key ?? Promise.reject(new Error('the key is not known'))
          },
          {
            algorithms: [ALGORITHM],
            issuer: ISSUER,
            audience: AUDIENCE,
            requiredClaims: ['exp', 'sub'],
            currentDate: new Date(clock().epochMilliseconds),
          },
        )
        const { sub = '', exp = 0, call: callId, number, caller } = payload
        if (typeof callId !== 'string' || typeof number !== 'string') return 'forged'
        const call = {
          clientId: sub,
          callId,
          number,
          caller: typeof caller === 'string' ? caller : undefined,
        }
        if (key) verified.set(digest, { call: Object.freeze(call), key, expires: exp })
        return call
      } catch (error) {
        // jose looks at the claims after the signature: what has expired was genuine.
        return error instanceof errors.JWTExpired || !known ? 'outdated' : 'forged'
      }
    },
  }
}

export type CallTokens = ReturnType<typeof createCallTokens>

const secondsOf = (clock: Clock) => Math.floor(clock().epochMilliseconds / 1_000)

/** A key's header is the same in all its tokens. */
const headers = new WeakMap<SigningKey, string>()

function headerOf(key: SigningKey): string {
  const header = headers.get(key) ?? encoded({ alg: ALGORITHM, kid: key.id })
  headers.set(key, header)
  return header
}

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/**
 * A JWT, byte for byte as jose makes it; jose reads it. It signs through the thread pool, which takes 12 times the
 * CPU of the hash itself (96 against 8 µs) and more than all else that is done while a phone rings.
 */
function signed(key: SigningKey, claims: object): string {
  const text = `${headerOf(key)}.${encoded(claims)}`
  return `${text}.${createHmac('sha256', key.secret).update(text).digest('base64url')}`
}
