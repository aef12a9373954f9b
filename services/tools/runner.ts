import type { Static, TObject } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { ToolResult } from '../../schemas/vapi.ts'
import type { CallIdentity, CallRepository, ToolEvent } from '../calls/repository.ts'
import type { Client } from '../clients/client.ts'
import type { Resolution } from '../clients/resolver.ts'
import { AppError, invalid } from '../errors.ts'
import type { GhlApi } from '../ghl/api.ts'
import { cleanJson, cutText, singleLine } from '../text.ts'
import type { Clock } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import type { ToolCall } from '../vapi/messages.ts'
import type { Tool, ToolContext } from './define.ts'

/** VAPI waits 20 s for a tool, a caller much less. */
const TOOL_DEADLINE_MS = 10_000
/** A spoken answer longer than this is none; VAPI warns about large ones. */
const RESULT_MAX = 2_000

export interface RunnerOptions {
  catalogue: ReadonlyMap<string, Tool>
  ghl: GhlApi
  calls: Pick<CallRepository, 'ownerOf' | 'recordTools' | 'setContact'>
  clock: Clock
  log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
}

/** Runs tools, for VAPI and for the REST door. */
export function createToolRunner({ catalogue, ghl, calls, clock, log }: RunnerOptions) {
  function contextOf(client: Client, call: ToolContext['call'], caller: ToolContext['caller']): ToolContext {
    const signal = AbortSignal.timeout(TOOL_DEADLINE_MS)
    return { client, call, caller, ghl: ghl.forClient({ ...client.crm, signal }), clock, signal, log }
  }

  /** @throws AppError only: whatever went wrong upstream is in the catalogue's words. */
  async function run(tool: Tool, context: ToolContext, input: Record<string, unknown>): Promise<unknown> {
    if (!context.client.active) throw new AppError('CLIENT_INACTIVE')
    try {
      return await Promise.race([tool.run(context, input), expiry(context.signal)])
    } catch (error) {
      throw error instanceof UpstreamError ? error.toAppError() : error
    }
  }

  /** One tool call of a message; never rejects. */
  async function answer(
    call: ToolCall,
    identity: CallIdentity,
    client: Client,
    contactId: string | undefined,
  ) {
    const facts = { client: client.id, call: identity.callId, tool: call.name }
    const payload: Record<string, unknown> = { name: call.name, arguments: call.arguments }
    const context = contextOf(
      client,
      { id: identity.callId, toolCallId: call.id },
      { number: identity.caller, contactId },
    )
    let contact: string | undefined
    let outcome: { result: string } | { error: string }
    try {
      const tool = catalogue.get(call.name)
      if (!tool) throw new AppError('INVALID_INPUT', { advice: `There is no tool named ${call.name}.` })
      const output = await run(tool, context, readArguments(tool.input, call.arguments))
      payload.output = output
      contact = tool.contactOf?.(output as never)
      outcome = { result: spoken(tool.say(output as never, context)) }
    } catch (error) {
      payload.error = error instanceof AppError ? error.code : 'INTERNAL'
      outcome = { error: spoken(adviceOf(error)) }
      if (!(error instanceof AppError)) log.error({ ...facts, err: error }, 'a tool failed')
      else if (error.cause)
        log.warn({ ...facts, code: error.code, err: error.cause }, 'a tool failed upstream')
    }
    const event: ToolEvent = { toolCallId: call.id, payload: cleanJson(payload) as Record<string, unknown> }
    return {
      event,
      contact,
      reply: { name: call.name, toolCallId: call.id, ...outcome } satisfies ToolResult,
    }
  }

  return {
    /**
     * All tool calls of one message, side by side: one result each, in their order, whatever happens.
     * What they came to is kept before it is told, as far as the database allows.
     */
    async answerAll(
      toolCalls: ToolCall[],
      identity: Omit<CallIdentity, 'clientId'>,
      resolution: Resolution,
    ): Promise<ToolResult[]> {
      const { client } = resolution
      if (!client) {
        const code = resolution.reason === 'unknown' ? 'CLIENT_UNKNOWN' : 'DATABASE_UNAVAILABLE'
        const error = new AppError(code).advice
        return toolCalls.map(({ id, name }) => ({ name, toolCallId: id, error }))
      }
      const call: CallIdentity = { ...identity, clientId: client.id }
      const owner = await calls.ownerOf(call.callId).catch(() => undefined)
      const contactId = owner?.client_id === client.id ? (owner.ghl_contact_id ?? undefined) : undefined
      const answers = await Promise.all(
        toolCalls.map((toolCall) => answer(toolCall, call, client, contactId)),
      )
      const contact = answers.find((item) => item.contact)?.contact
      try {
        await Promise.all([
          calls.recordTools(
            call,
            answers.map(({ event }) => event),
          ),
          contact !== undefined && contact !== contactId && calls.setContact(call, contact),
        ])
      } catch (error) {
        log.error(
          { client: client.id, call: call.callId, err: error },
          'tool calls were made but could not be recorded',
        )
      }
      return answers.map(({ reply }) => reply)
    },

    /**
     * One tool for the REST door; `contactId` is whom it acts on, if the request names somebody.
     * @throws AppError
     */
    async runOne(
      tool: Tool,
      client: Client,
      contactId: string | undefined,
      input: Record<string, unknown>,
    ): Promise<unknown> {
      return run(tool, contextOf(client, undefined, { number: undefined, contactId }), input)
    },
  }
}

export type ToolRunner = ReturnType<typeof createToolRunner>

/**
 * What a language model sends, made to fit: numbers as text and the like are converted, what it leaves empty
 * is absent, and what the tool does not know, such as an id it made up, is dropped.
 * @throws AppError INVALID_INPUT naming the argument
 */
function readArguments<T extends TObject>(schema: T, given: Readonly<Record<string, unknown>>): Static<T> {
  const present = Object.entries(given).filter(([, value]) => value !== null && value !== '')
  const input = Value.Clean(schema, Value.Convert(schema, Object.fromEntries(present)))
  const problem = Value.Errors(schema, input).First()
  if (!problem) return input as Static<T>
  const field = problem.path.slice(1)
  throw invalid(
    field,
    (input as Record<string, unknown>)[field] === undefined
      ? `${field} is missing.`
      : `${field}: ${problem.message}.`,
  )
}

function expiry(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  const expire = () => reject(new AppError('CRM_TIMEOUT', { cause: signal.reason }))
  if (signal.aborted) expire()
  else signal.addEventListener('abort', expire, { once: true })
  return promise
}

function adviceOf(error: unknown): string {
  if (error instanceof AppError) return error.advice || error.message
  return 'Something went wrong. Apologise and offer to take a message.'
}

const spoken = (text: string) => cutText(singleLine(text), RESULT_MAX) || 'Done.'
