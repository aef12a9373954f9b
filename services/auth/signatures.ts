import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../time.ts'

/** Seconds by which a signature's time may differ from ours, both ways: the Standard Webhooks' own. */
const TOLERANCE_SECONDS = 5 * 60
/** While a sender rotates its secret it signs with two; nobody needs more. */
const SIGNATURES_MAX = 8
/** Above it a number of milliseconds is meant: in seconds it would be the year 5138. */
const FIRST_IN_MILLISECONDS = 100_000_000_000
const PREFIX = 'whsec_'

/** The headers of a signed webhook. They prove nothing before the body has been read. */
export interface Signed {
  /** The same for each delivery of a message. */
  readonly id: string
  /** As it was sent and signed. */
  readonly timestamp: string
  /** What may be right: HMACs, 32 bytes each. */
  readonly macs: readonly Buffer[]
}

export interface SignaturesOptions {
  /** Any of them may have signed: `whsec_` with base64, or plain text. */
  secrets: readonly string[]
  clock: Clock
}

/**
 * Standard Webhooks (https://www.standardwebhooks.com): `webhook-signature` holds `v1,` and the base64 of
 * HMAC-SHA-256 over `{webhook-id}.{webhook-timestamp}.{body}`. VAPI's HMAC credential does so with `algorithm`
 * sha256, `signatureHeader` webhook-signature, `timestampHeader` webhook-timestamp, `messageIdHeader` webhook-id,
 * `payloadFormat` {svix-id}.{timestamp}.{body}, `signatureEncoding` base64, `signaturePrefix` `v1,`, and
 * `secretIsBase64` with what follows `whsec_`.
 *
 * Not with the package `standardwebhooks`, which signs for the tests: it takes seconds only, where VAPI does not say
 * what it sends, reads the body as text before it is known to be any, and hashes it in JavaScript on the thread that
 * answers calls, megabytes of a report.
 */
export function createSignatures({ secrets, clock }: SignaturesOptions) {
  const keys = secrets.map((secret) =>
    secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret),
  )

  return {
    /** What the headers say, if they are those of a signature and its time is near: all that is known before the body. */
    read(headers: IncomingHttpHeaders): Signed | undefined {
      const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
        (name) => String(headers[name] ?? ''),
      ) as [string, string, string]
      if (keys.length === 0 || !/^[\x21-\x7e]{1,200}$/.test(id) || !/^\d{1,16}$/.test(timestamp))
        return undefined
      const sent = Number(timestamp)
      const seconds = sent < FIRST_IN_MILLISECONDS ? sent : sent / 1_000
      if (Math.abs(clock().epochMilliseconds / 1_000 - seconds) > TOLERANCE_SECONDS) return undefined
      const macs = signatures
        .split(' ', SIGNATURES_MAX)
        .flatMap((each) => (each.startsWith('v1,') ? Buffer.from(each.slice(3), 'base64') : []))
        .filter(({ byteLength }) => byteLength === 32)
      return macs.length > 0 ? { id, timestamp, macs } : undefined
    },

    /** Whether one of the secrets signed these bytes. How long that takes tells nothing of them. */
    verify({ id, timestamp, macs }: Signed, body: Uint8Array): boolean {
      const right = keys.filter((key) => {
        const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
        return macs.filter((each) => timingSafeEqual(each, mac)).length > 0
      })
      return right.length > 0
    },
  }
}

export type Signatures = ReturnType<typeof createSignatures>
