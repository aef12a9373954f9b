import type { Client } from '../clients/client.ts'
import type { Notice } from '../privacy/consent.ts'
import { singleLine } from '../text.ts'
import { PHRASES, spoken } from './phrases.ts'

/** How a client's people greet. */
export function greetingOf({ name, settings }: Client): string {
  return singleLine(settings.greeting ?? '') || PHRASES[settings.language ?? 'en'].greeting(spoken(name))
}

/** What a client's calls begin with about the recording; undefined: nothing is recorded. */
export function noticeOf({ settings }: Client): Notice | undefined {
  const { notice, ask } = PHRASES[settings.language ?? 'en']
  if (settings.recording === 'off') return undefined
  return settings.recording === 'ask' ? { kind: 'ask', wording: ask } : { kind: 'announce', wording: notice }
}

/** The question that a client's callers are asked, or would be. */
export const questionOf = ({ settings }: Client) => PHRASES[settings.language ?? 'en'].ask

/** What is said first. A caller who is asked something is not asked two things at once: the greeting comes after. */
export function openingOf(client: Client): string {
  const notice = noticeOf(client)
  if (notice?.kind === 'ask') return notice.wording
  return [notice?.wording, greetingOf(client)].filter(Boolean).join(' ')
}
