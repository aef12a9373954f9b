import { type Finding, failed, ok, skipped } from '../findings.ts'
import { NotSent, UpstreamError } from '../upstream.ts'

/** What came of one read: what it said, or why it said nothing. */
export type Outcome<T> = { value: T } | { error: unknown }

export async function settled<T>(work: Promise<T>): Promise<Outcome<T>> {
  return work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
}

export const WHERE = 'In GoHighLevel: Settings, Private Integrations, the integration of this server.'

/** The scopes a token needs for what is done with it; of each group one read is tried. */
export const SCOPES = {
  location: 'locations.readonly',
  contacts: 'contacts.readonly and contacts.write',
  calendars: 'calendars.readonly',
  events: 'calendars/events.readonly and calendars/events.write',
  conversations: 'conversations.readonly and conversations/message.write',
} as const

export type Kind = 'token' | 'scope' | 'foreign' | 'missing' | 'paused' | 'limited' | 'unanswered' | 'refused'

/** What a refusal says. GHL answers 401 to a bad token and to a scope that is not granted; the text tells them apart. */
export function kindOf(error: unknown): Kind {
  if (error instanceof NotSent && error.held !== 'limited')
    return error.held === 'paused' ? 'paused' : 'unanswered'
  if (!(error instanceof UpstreamError) || error.unanswered) return 'unanswered'
  const message = String((error.body as { message?: unknown } | null | undefined)?.message ?? '')
  switch (error.status) {
    case 401:
      return /scope/i.test(message) ? 'scope' : 'token'
    case 403:
      return 'foreign'
    case 400:
    case 404:
      return 'missing'
    case 429:
      return 'limited'
    default:
      return 'refused'
  }
}

export const UNREAD: Record<Exclude<Kind, 'scope'>, readonly [detail: string, remedy: string]> = {
  token: ['The CRM does not accept the token.', 'See the item token.'],
  foreign: ['The token is for another location.', 'See the item location.'],
  missing: ['The CRM does not know it.', 'See the items location and calendar.'],
  paused: [
    'Work on the CRM is paused for this client, since its token was refused.',
    'Store a token that works, or install the app again; then check again.',
  ],
  limited: ["The location's share of requests is used up.", 'Try again in a minute.'],
  unanswered: ['The CRM did not answer in time.', 'Try again; see whether GoHighLevel reports trouble.'],
  refused: ['The CRM refused the request.', 'Try again; see whether GoHighLevel reports trouble.'],
}

/** A failed read in words, for whichever item it belongs to. */
export function unread(item: string, error: unknown, scope: string): Finding {
  const kind = kindOf(error)
  if (kind === 'scope') {
    const detail = `The token lacks a scope: ${scope}.`
    return failed(item, detail, `${WHERE} Add the scopes ${scope}, and store the token again if it changes.`)
  }
  // Said once, by the item it is about.
  if (kind === 'token') return skipped(item, 'The token is not accepted.')
  return failed(item, ...UNREAD[kind])
}

export const readItem = (item: string, read: Outcome<unknown>, scope: string, detail: string): Finding =>
  'value' in read ? ok(item, detail) : unread(item, read.error, scope)
