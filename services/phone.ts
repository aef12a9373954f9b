import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js'
import { createLru } from './lru.ts'

/** National numbers without a country code are read as North American, where VAPI's own numbers are. */
const DEFAULT_COUNTRY: CountryCode = 'US'

/**
 * What carriers put in place of a withheld number. The digits spell ANONYMOUS, UNAVAILABLE, RESTRICTED,
 * BLOCKED and UNKNOWN on a keypad (documented by Twilio), and would otherwise pass for real numbers and
 * collect every shy caller of a business in one CRM contact.
 */
const WITHHELD = new Set(['266696687', '86282452253', '7378742833', '2562533', '8656696'])

/** The same numbers come with every message of a call, and to parse one takes longer than to answer from memory. */
const remembered = createLru<{ e164: string | undefined }>(10_000)
const REMEMBERED_LENGTH_MAX = 40

/**
 * A North American number as carriers send it, which is what the library would make of it, in 80 µs: and each new
 * caller brings one. Toll-free and premium numbers included; no area code begins with 0 or 1.
 */
const NORTH_AMERICAN = /^\+1[2-9]\d{9}$/

/**
 * A phone number in E.164 (`+17787450185`), or undefined if the text holds none.
 * Accepts national and formatted numbers and `tel:` and `sip:` addresses.
 */
export function toE164(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined
  if (NORTH_AMERICAN.test(text)) return text
  const known = remembered.get(text)
  if (known) return known.e164
  const e164 = parse(text)
  if (text.length <= REMEMBERED_LENGTH_MAX) remembered.set(text, { e164 })
  return e164
}

function parse(text: string): string | undefined {
  const bare = text
    .trim()
    .replace(/^(tel|sips?):/i, '')
    .replace(/[@;].*$/s, '')
  const parsed = parsePhoneNumberFromString(bare, { defaultCountry: DEFAULT_COUNTRY, extract: false })
  return parsed?.isPossible() ? parsed.number : undefined
}

/** The caller's number in E.164, or undefined where it is withheld or missing. */
export function callerNumber(text: unknown): string | undefined {
  if (typeof text === 'string' && WITHHELD.has(text.replace(/\D/g, ''))) return undefined
  return toE164(text)
}

/** All that a log may hold of a phone number. */
export function lastFour(number: string | undefined): string | undefined {
  return number && `…${number.slice(-4)}`
}
