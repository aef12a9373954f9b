import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../errors.ts'
import type { CallTokens, ProvenCall } from './call-tokens.ts'
import { contradicts } from './identity.ts'

/** What a request has proved. */
export interface Access {
  /** It comes from VAPI or from a program with the same secret: what it says of itself is believed. */
  readonly trusted: boolean
  /** It comes with the token of this call: that is whom it is about, whatever else it says. */
  readonly call: ProvenCall | undefined
}

export interface AdmissionOptions {
  /** Any of these makes a request trusted. */
  webhookTokens: readonly string[]
  /** Authentication is off: everybody is trusted. */
  open: boolean
  callTokens: Pick<CallTokens, 'read'>
}

/** Reads the credentials that stand in a request's headers. */
export function createAdmission({ webhookTokens, open, callTokens }: AdmissionOptions) {
  const isWebhookToken = createKeyset(webhookTokens)

  async function inCall(headers: IncomingHttpHeaders, token: string, trusted: boolean) {
    const call = await callTokens.read(token)
    if (call === 'forged') throw new AppError('UNAUTHORIZED')
    if (call === 'outdated') return trusted ? TRUSTED : undefined
    const says = { number: text(headers['x-phone-number']), callId: text(headers['x-call-id']) }
    if (contradicts(call, says)) throw new AppError('FORBIDDEN')
    return { trusted, call }
  }

  /**
   * What the headers prove, `secret` being one more of them that may hold a webhook token; undefined: nothing. A
   * call's token that time or a rotation has overtaken counts for nothing, so that beside VAPI's own credential a late
   * report is still taken. Only a call's token takes time to read.
   * @throws AppError UNAUTHORIZED for a token that was never ours, FORBIDDEN for that of another client or call
   */
  return function admit(
    headers: IncomingHttpHeaders,
    secret?: string,
  ): Access | undefined | Promise<Access | undefined> {
    const bearer = bearerOf(headers.authorization)
    const trusted = open || isWebhookToken(bearer ?? secret ?? '')
    const given = headers['x-call-token'] ?? (trusted ? undefined : bearer)
    if (given) return inCall(headers, String(given), trusted)
    return trusted ? TRUSTED : undefined
  }
}

/** Most requests: with VAPI's own credential, about no call in particular. */
const TRUSTED: Access = Object.freeze({ trusted: true, call: undefined })

export type Admission = ReturnType<typeof createAdmission>

const text = (value: string | string[] | undefined) => (value === undefined ? undefined : String(value))

const bearerOf = (header: string | undefined) => /^Bearer +(.+)$/i.exec(header ?? '')?.[1]?.trim()

/** Whether a text is one of these secrets. How long that takes tells no more of them than their length. */
export function createKeyset(secrets: readonly string[]) {
  const known = secrets.map((secret) => Buffer.from(secret))
  return (given: string): boolean => {
    const bytes = Buffer.from(given)
    // All of them, also after one that fits.
    return known.filter((each) => each.length === bytes.length && timingSafeEqual(each, bytes)).length > 0
  }
}
