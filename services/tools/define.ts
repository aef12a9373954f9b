import { type Static, type TObject, type TProperties, type TSchema, Type } from '@sinclair/typebox'
import type { Client } from '../clients/client.ts'
import type { GhlAccount } from '../ghl/api.ts'
import type { Clock } from '../time.ts'
import type { SlotHolds } from './holds.ts'

/** What a tool works with: one client, one call. It holds nothing that reaches another client. */
export interface ToolContext {
  readonly client: Client
  /** The call it is used in; undefined through the REST door. */
  readonly call: { readonly id: string; readonly toolCallId: string } | undefined
  readonly caller: {
    /** E.164, from the caller id. */
    readonly number: string | undefined
    /** The CRM contact of the caller, where it is known already. Never rejects; asked for while the tool begins. */
    readonly contactId: Promise<string | undefined>
  }
  readonly ghl: GhlAccount
  /** Holds on slots of the client's calendar, to be taken before an appointment is written. */
  readonly holds: SlotHolds
  /** Keeps whether the caller agrees to a recording. Rejects if it cannot be kept. */
  readonly agree: (granted: boolean) => Promise<void>
  readonly clock: Clock
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal
  readonly log: { warn(facts: object, message: string): void }
}

export interface ToolDefinition<I extends TProperties, O extends TSchema> {
  /** Snake case; unique in the catalogue. */
  name: string
  /** Written for a language model: when to use it, what it needs, what it gives. */
  description: string
  /** What the model may say. Never an identity: client and caller come from the call. */
  input: TObject<I>
  output: O
  /** Changes nothing anywhere, so that a repetition may simply run again. Without it a tool call runs once. */
  readOnly?: boolean
  /** Is of no use to a client without a calendar. */
  needsCalendar?: boolean
  /** Is of use only to a client whose callers are asked whether they may be recorded. */
  needsConsent?: boolean
  /** Acts on a contact: through the REST door, which knows no caller, `contact_id` may name it. */
  actsOnContact?: boolean
  /** What the model is told when time runs out and nobody knows what the CRM has done. */
  adviceWhenLate?: string
  /** @throws AppError with advice for the model; UpstreamError. */
  run(context: ToolContext, input: Static<TObject<I>>): Promise<Static<O>>
  /** The outcome as one sentence that can be spoken. */
  say(output: Static<O>, context: ToolContext): string
  /** The contact that the caller turned out to be, if the outcome tells. */
  contactOf?(output: Static<O>): string | undefined
}

/** A tool with its types forgotten: how doors and catalogue hold it. */
export type Tool = ToolDefinition<TProperties, TSchema> & { readonly restBody: TObject }

/**
 * The one definition of a tool, from which every door is made: VAPI's function tool, the REST route with its
 * documentation, and the MCP tool.
 */
export function defineTool<I extends TProperties, O extends TSchema>(definition: ToolDefinition<I, O>): Tool {
  const identity = {
    client_id: Type.Optional(
      Type.String({
        format: 'uuid',
        description: "The client, as in the table clients; not needed with a call's token, which names it",
      }),
    ),
    ...(definition.actsOnContact && {
      contact_id: Type.Optional(Type.String({ minLength: 1, description: 'The CRM contact to act on' })),
    }),
  }
  const restBody = Type.Object(
    { ...identity, ...definition.input.properties },
    { additionalProperties: false },
  )
  return Object.freeze({ ...definition, restBody }) as unknown as Tool
}

/** Whether a tool is of use to a client. */
export function isOffered(tool: Pick<Tool, 'needsCalendar' | 'needsConsent'>, client: Client): boolean {
  if (tool.needsCalendar && !(client.crm.calendarId && client.timezone)) return false
  return !tool.needsConsent || client.settings.recording === 'ask'
}
