import { invalid } from '../errors.ts'
import { record, text } from '../json.ts'
import { callerNumber, toE164 } from '../phone.ts'

const ID_MAX = 200

/** A VAPI server message with the fields that every handler needs, read from wherever VAPI put them. */
export interface CallMessage {
  readonly type: string
  /** VAPI's id of the call; undefined on messages that are not about one. */
  readonly callId: string | undefined
  /** The number that was dialled, E.164. */
  readonly calledNumber: string | undefined
  /** The caller's number, E.164; undefined where it is withheld and on web calls. */
  readonly caller: string | undefined
  /** The client that the call's assistant was made for, as our own metadata in it says. */
  readonly clientId: string | undefined
  /** The message as it came. */
  readonly body: Readonly<Record<string, unknown>>
}

/** One call of a tool. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** Reads the envelope: `{ message: { type } }` as VAPI sends it, or `{ type }`. */
export function readMessage(envelope: unknown): CallMessage {
  const outer = record(envelope)
  const inner = record(outer.message)
  const body = text(inner.type) ? inner : outer
  const call = record(body.call)
  const number = (holder: unknown) => toE164(record(holder).number)
  return {
    type: text(body.type) ?? '',
    callId: identifier(call.id),
    calledNumber: number(body.phoneNumber) ?? number(call.phoneNumber),
    caller: callerNumber(record(body.customer).number) ?? callerNumber(record(call.customer).number),
    clientId: clientIdOf(body.assistant) ?? clientIdOf(call.assistant),
    body,
  }
}

/** The same, for a door. @throws AppError INVALID_INPUT if there is no type, without which nothing can be done */
export function requireMessage(envelope: unknown): CallMessage {
  const message = readMessage(envelope)
  if (!message.type) throw invalid('message.type', 'message.type is missing or not text')
  return message
}

/**
 * The tool calls of a `tool-calls` message. VAPI has three lists and several shapes for an entry (OpenAI's
 * with `function`, flat with `arguments` or `parameters`), and arguments are an object or JSON text.
 */
export function readToolCalls({ body }: CallMessage): ToolCall[] {
  const entries = [body.toolCallList, body.toolCalls].find(
    (list) => Array.isArray(list) && list.length > 0,
  ) as unknown[] | undefined
  const wrapped = Array.isArray(body.toolWithToolCallList) ? body.toolWithToolCallList : []
  const calls = entries ?? wrapped.map((item) => ({ ...record(item), ...record(record(item).toolCall) }))
  return calls.flatMap((item) => {
    const entry = record(item)
    const fn = record(entry.function)
    const id = text(entry.id) ?? text(entry.toolCallId)
    if (!id) return []
    return {
      id,
      name: text(fn.name) ?? text(entry.name) ?? '',
      arguments: argumentsOf(fn.arguments ?? entry.arguments ?? fn.parameters ?? entry.parameters),
    }
  })
}

/** Arguments as an object; text that is not JSON of an object counts as none, and the tool says what it lacks. */
function argumentsOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'string') return record(value)
  try {
    return record(JSON.parse(value))
  } catch {
    return {}
  }
}

/** VAPI's ids are UUIDs. What is longer than a database index takes names nothing. */
function identifier(value: unknown): string | undefined {
  const id = text(value)
  return id && id.length <= ID_MAX ? id : undefined
}

function clientIdOf(assistant: unknown): string | undefined {
  return text(record(record(assistant).metadata).clientId)
}
