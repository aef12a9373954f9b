import { isDeepStrictEqual } from 'node:util'
import type { Vapi } from '@vapi-ai/server-sdk'
import { record } from '../json.ts'
import { cutText } from '../text.ts'
import type { VapiNumber } from './api.ts'

/** VAPI refuses a longer name. */
const NAME_MAX = 40

/** The `server` of an assistant and of a number: where webhooks go, with which credential and how often. */
export type WebhookServer = Readonly<Vapi.Server>

/** How a client's number should be set up. */
export interface Routing {
  name: string
  server: WebhookServer
  /** E.164; undefined: whatever the number has stays. */
  fallback: string | undefined
}

/** One difference between a number and how it should be. */
export interface Change {
  field: string
  from: unknown
  to: unknown
}

/** Each of them, set on a number, keeps VAPI from asking who answers. */
export const STATIC_ANSWERERS = ['assistantId', 'squadId', 'workflowId'] as const

/**
 * What has to change on a number, and the PATCH that does it; no changes: nothing is to be done. VAPI adds fields
 * of its own to what it is given, so only what we set is compared.
 */
export function changesTo(number: VapiNumber, wanted: Routing) {
  const name = cutText(wanted.name, NAME_MAX)
  const server = serverOver(number.server, wanted.server)
  const changes: Change[] = []
  const body: Record<string, unknown> = {}

  const differing = Object.keys({ ...server, headers: 1, encryptedPaths: 1 }).filter(
    (field) => !covers(number.server?.[field], server[field]),
  )
  for (const field of differing)
    changes.push({ field: `server.${field}`, from: shown(field, number.server?.[field]), to: server[field] })
  if (differing.length > 0) body.server = server

  for (const field of STATIC_ANSWERERS) {
    if (number[field]) changes.push({ field, from: number[field], to: undefined })
  }
  // Named together: a number whose webhooks come here and whose assistant is fixed would be neither one nor the other.
  if (changes.length > 0) for (const field of STATIC_ANSWERERS) body[field] = null

  const fallback = fallbackOver(number.fallbackDestination, wanted.fallback)
  if (!isDeepStrictEqual(fallback, number.fallbackDestination)) {
    changes.push({
      field: 'fallbackDestination',
      from: number.fallbackDestination?.number,
      to: wanted.fallback,
    })
    body.fallbackDestination = fallback
  }
  if (name && number.name !== name) {
    changes.push({ field: 'name', from: number.name, to: name })
    body.name = name
  }
  return { changes, body, fallback }
}

/** The body that imports a number from Twilio with all of its routing. */
export function importBody(
  number: string,
  wanted: Routing,
  twilio: { accountSid: string; authToken: string },
): Record<string, unknown> {
  const name = cutText(wanted.name, NAME_MAX)
  return {
    provider: 'twilio',
    number,
    twilioAccountSid: twilio.accountSid,
    twilioAuthToken: twilio.authToken,
    // Without this VAPI takes over the number's text messages as well, and the CRM no longer gets them.
    smsEnabled: false,
    ...(name && { name }),
    server: wanted.server,
    ...(wanted.fallback && { fallbackDestination: fallbackOver(undefined, wanted.fallback) }),
  }
}

/**
 * Our `server` in place of another. Where we name no credential, what the number sends already stays, so that
 * connecting does not take the secret away with which it gets in. Encrypted bodies could not be read here.
 */
function serverOver(
  old: Readonly<Record<string, unknown>> = {},
  ours: WebhookServer,
): Record<string, unknown> {
  const kept = ours.credentialId ? [] : ['credentialId', 'headers']
  const staying = [...kept, 'staticIpAddressesEnabled'].flatMap((field) =>
    old[field] === undefined || old[field] === null ? [] : [[field, old[field]] as const],
  )
  return { ...Object.fromEntries(staying), ...ours }
}

/** A destination to the same number stays as somebody has made it, with its message and plan. */
function fallbackOver(old: Readonly<Record<string, unknown>> | undefined, number: string | undefined) {
  if (number === undefined || old?.number === number) return old
  return { type: 'number', number }
}

/** Whether what is there says all that is wanted, whatever else it says; nothing wanted is covered by emptiness. */
function covers(there: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return there === undefined || there === null || isEmpty(there)
  if (typeof wanted !== 'object' || wanted === null) return there === wanted
  if (Array.isArray(wanted)) return isDeepStrictEqual(there, wanted)
  return Object.entries(wanted).every(([key, value]) => covers(record(there)[key], value))
}

const isEmpty = (value: unknown) =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0

/** Headers hold secrets; their names do not. */
const shown = (field: string, value: unknown) =>
  field === 'headers' && value ? Object.keys(record(value)) : (value ?? undefined)
