import type { TObject, TSchema } from '@sinclair/typebox'
import type { Vapi } from '@vapi-ai/server-sdk'
import type { Client } from '../clients/client.ts'
import { bookAppointment } from './book-appointment.ts'
import { cancelAppointment } from './cancel-appointment.ts'
import { checkAvailability } from './check-availability.ts'
import { isOffered, type Tool } from './define.ts'
import { findOrCreateContact } from './find-or-create-contact.ts'
import { listAppointments } from './list-appointments.ts'
import { recordConsent } from './record-consent.ts'
import { rescheduleAppointment } from './reschedule-appointment.ts'
import { sendSms } from './send-sms.ts'
import { takeMessage } from './take-message.ts'

/** Everything the receptionist can do, by name. */
export const catalogue: ReadonlyMap<string, Tool> = new Map(
  [
    findOrCreateContact,
    checkAvailability,
    bookAppointment,
    listAppointments,
    rescheduleAppointment,
    cancelAppointment,
    sendSms,
    takeMessage,
    recordConsent,
  ].map((tool) => [tool.name, tool]),
)

/**
 * The tools a client's assistant gets, in VAPI's form. They have no server: VAPI uses the assistant's.
 * `hold` is said while one works.
 */
export function vapiToolsOf(client: Client, hold: string): Vapi.OpenAiModelToolsItem[] {
  return [...catalogue.values()]
    .filter((tool) => isOffered(tool, client))
    .map((tool) => ({
      type: 'function',
      function: functions.get(tool.name),
      messages: [{ type: 'request-start', content: hold }],
    }))
}

/** What VAPI's JSON Schema knows; whether it refuses other keywords is not documented, so none are sent. */
const KEYWORDS = ['type', 'description', 'pattern', 'format', 'required', 'enum', 'title'] as const

function parametersOf(input: TObject): Vapi.OpenAiFunctionParameters {
  return { properties: {}, ...reduced(input) } as Vapi.OpenAiFunctionParameters
}

function reduced(schema: TSchema): Record<string, unknown> {
  const kept = Object.fromEntries(
    KEYWORDS.flatMap((word) => (schema[word] === undefined ? [] : [[word, schema[word]]])),
  )
  if (schema.properties) {
    kept.properties = Object.fromEntries(
      Object.entries(schema.properties as Record<string, TSchema>).map(([name, inner]) => [
        name,
        reduced(inner),
      ]),
    )
  }
  if (schema.items) kept.items = reduced(schema.items as TSchema)
  return kept
}

/** What VAPI is told of each tool: the same for every client, so it is not made while a phone rings. */
const functions: ReadonlyMap<string, Vapi.OpenAiFunction> = new Map(
  [...catalogue.values()].map(({ name, description, input }) => [
    name,
    { name, description, parameters: parametersOf(input) },
  ]),
)
