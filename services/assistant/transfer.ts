import type { Vapi } from '@vapi-ai/server-sdk'
import type { Client } from '../clients/client.ts'
import { toE164 } from '../phone.ts'
import { PHRASES } from './phrases.ts'

/** Where calls of a client go that a human should take. `message: ''` says nothing before. */
export interface Destination {
  type: 'number'
  /** E.164 */
  number: string
  message: string
}

/** The number of the client's own people; undefined if there is none, or if it would lead back to this server. */
export function peopleOf(client: Client): string | undefined {
  const number = toE164(client.settings.transfer_number)
  return number === client.number ? undefined : number
}

/** VAPI's own tools for the call itself: to hand it to the client's people, if they have a number, and to end it. */
export function callTools(client: Client): Vapi.OpenAiModelToolsItem[] {
  const number = peopleOf(client)
  const end: Vapi.OpenAiModelToolsItem = { type: 'endCall' }
  if (!number) return [end]
  const message = PHRASES[client.settings.language ?? 'en'].transfer
  // Named here, the destination costs no further question to this server while the caller waits.
  return [{ type: 'transferCall', destinations: [{ type: 'number', number, message }] }, end]
}

/** The answer to a transfer-destination-request: where to, or why not. */
export function transferAnswer(client: Client | undefined): { destination: Destination } | { error: string } {
  const phrases = PHRASES[client?.settings.language ?? 'en']
  const number = client && peopleOf(client)
  return number
    ? { destination: { type: 'number', number, message: phrases.transfer } }
    : { error: phrases.nobody }
}
