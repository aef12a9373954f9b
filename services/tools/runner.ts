import type { ToolResult } from '../../schemas/vapi.ts'
import type { CallRepository } from '../calls/repository.ts'
import type { CallIdentity } from '../calls/tool-events-repository.ts'
import type { Client } from '../clients/client.ts'
import type { Resolution } from '../clients/resolver.ts'
import type { Database } from '../database/pool.ts'
import { AppError, invalid } from '../errors.ts'
import type { GhlApi } from '../ghl/api.ts'
import type { Consent } from '../privacy/consent.ts'
import { cleanJson, singleLine } from '../text.ts'
import type { Clock } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import type { ToolCall } from '../vapi/messages.ts'
import { type Answer, adviceOf, expiry, late, spoken } from './answers.ts'
import { readArguments } from './arguments.ts'
import type { Tool, ToolContext } from './define.ts'
import { createHolds } from './holds.ts'
import { createToolRepository, type ToolRepository } from './repository.ts'
import { createRuns } from './runs.ts'

/** VAPI waits 20 s for a tool, a caller much less: everything is answered within 10 s of its arrival. */
const TOOL_DEADLINE_MS = 9_000
/** What is left of the 10 s for keeping what came of it. */
const KEEP_DEADLINE_MS = 900

export interface RunnerOptions {
  catalogue: ReadonlyMap<string, Tool>
  ghl: GhlApi
  calls: Pick<CallRepository, 'recordTools'>
  /** Keeps the answer of a caller who was asked; without it none can be kept. */
  consent?: Pick<Consent, 'record'>
  /** Where claims and holds are kept; without it, or while it is away, tools work without them. */
  sql?: Pick<Database, 'forOwnScope'>
  clock: Clock
  log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
  deadlineMs?: number
  /** Told of each use: `ok`, or the code of the failure. */
  onUsed?: (tool: string, outcome: string, ms: number) => void
}

/** Who uses a tool through a door other than VAPI's. */
export interface ToolUser {
  /**
   * The call it is used in. Without one the request comes from a program that is trusted, as the REST door's do,
   * and `contactId` is whom it says; within one it is the contact of that call.
   */
  call?: ToolContext['call']
  /** From the caller id, E.164. */
  number?: string | undefined
  contactId?: string | undefined
}

/** Runs tools, for every door. */
export function createToolRunner(options: RunnerOptions) {
  const { catalogue, ghl, calls, clock, log, deadlineMs = TOOL_DEADLINE_MS } = options
  const runs = createRuns({ log })
  const store = options.sql && createToolRepository({ sql: options.sql })

  function contextOf(
    client: Client,
    who: Pick<ToolContext, 'call' | 'caller' | 'signal'>,
    repository: Promise<ToolRepository | undefined>,
  ): ToolContext {
    const { calendarId } = client.crm
    return {
      client,
      ...who,
      ghl: ghl.forClient({ clientId: client.id, ...client.crm, signal: who.signal }),
      agree: async (granted) => {
        if (!who.call || !options.consent) throw invalid('granted', 'this is for the assistant of a call')
        await options.consent.record(client, { id: who.call.id, caller: who.caller.number }, granted)
      },
      holds: createHolds({ repository, clientId: client.id, calendarId, log }),
      clock,
      log,
    }
  }

  /** @throws AppError for what is in the catalogue: nothing that was said upstream gets through. */
  async function run(tool: Tool, context: ToolContext, input: Record<string, unknown>): Promise<unknown> {
    if (!context.client.active) throw new AppError('CLIENT_INACTIVE')
    const begun = performance.now()
    const used = (outcome: string) => options.onUsed?.(tool.name, outcome, performance.now() - begun)
    try {
      const output = await Promise.race([tool.run(context, input), expiry(context.signal, tool)])
      used('ok')
      return output
    } catch (thrown) {
      const error = thrown instanceof UpstreamError ? thrown.toAppError() : thrown
      used(error instanceof AppError ? error.code : 'INTERNAL')
      throw error
    }
  }

  /** Runs a tool for a call; never rejects. */
  async function answer(toolCall: ToolCall, context: ToolContext): Promise<Answer> {
    const payload: Record<string, unknown> = { name: toolCall.name }
    const begun = performance.now()
    const ms = () => Math.round(performance.now() - begun)
    const facts = { client: context.client.id, call: context.call?.id, tool: toolCall.name }
    try {
      const tool = catalogue.get(toolCall.name)
      if (!tool) throw new AppError('INVALID_INPUT', { advice: `There is no tool named ${toolCall.name}.` })
      const input = readArguments(tool.input, toolCall.arguments)
      payload.arguments = input
      const output = await run(tool, context, input)
      const result = spoken(tool.say(output as never, context))
      const answered = done(tool, input, output)
      return { outcome: { result }, ...answered, payload: { ...answered.payload, said: result, ms: ms() } }
    } catch (error) {
      const known = error instanceof AppError
      payload.error = known ? error.code : 'INTERNAL'
      payload.ms = ms()
      if (!known) log.error({ ...facts, err: error }, 'a tool failed')
      else if (error.cause)
        log.warn({ ...facts, code: error.code, err: error.cause }, 'a tool failed upstream')
      return { outcome: { error: spoken(adviceOf(error)) }, payload, final: known && error.status < 500 }
    }
  }

  /**
   * What came of the tool calls is kept before it is told, as far as the database allows in the time left. What only
   * looked something up is told at once, and kept meanwhile: no repetition has to find it.
   */
  async function keep(
    call: CallIdentity,
    toolCalls: readonly Pick<ToolCall, 'id' | 'name'>[],
    answers: readonly Omit<Answer, 'outcome'>[],
    known: Promise<string | undefined>,
  ) {
    const events = toolCalls.flatMap(({ id }, index) => {
      const { payload, final } = answers[index] ?? {}
      // An event is kept once: a failure that may pass must not stand where the success will.
      return payload ? { toolCallId: final ? id : `${id}:failed`, payload } : []
    })
    const found = answers.find((item) => item.contactId)?.contactId
    const facts = { client: call.clientId, call: call.callId }
    const kept = known
      .then((id) =>
        calls.recordTools(call, events, { contactId: found === id ? undefined : found, queue: 'crm-sync' }),
      )
      .catch((error) => log.error({ ...facts, err: error }, 'tool calls were made but could not be recorded'))
    if (toolCalls.every(({ name }) => catalogue.get(name)?.readOnly)) return
    await Promise.race([kept, new Promise((resolve) => setTimeout(resolve, KEEP_DEADLINE_MS).unref())])
  }

  return {
    /**
     * All tool calls of one message, side by side: one result each, in their order, whatever happens.
     * A tool call that was made before, here or on another instance, gets the answer it got then.
     * `limited`: the client has had its share for now; nothing is done, and the assistant is told so.
     */
    async answerAll(
      given: readonly ToolCall[],
      identity: Omit<CallIdentity, 'clientId'>,
      resolution: Resolution,
      limited = false,
    ): Promise<ToolResult[]> {
      const signal = AbortSignal.timeout(deadlineMs)
      const toolCalls = oncePerId(given)
      const { client } = resolution
      if (!client || limited) {
        const error = new AppError(client ? 'RATE_LIMITED' : unresolved(resolution)).advice
        return toolCalls.map(({ id, name }) => ({ name: singleLine(name), toolCallId: id, error }))
      }
      const call: CallIdentity = { ...identity, clientId: client.id }
      const repository = resolution.source === 'last-known' ? undefined : store
      // One answer that does not come is waited for, not one for each statement: null is the database's silence.
      const asked = Promise.resolve(repository?.contactOf(client.id, call.callId).catch(() => null))
      const contactId = asked.then((known) => known ?? undefined)
      const answering = asked.then((known) => (known === null ? undefined : repository))

      const answers = await Promise.all(
        toolCalls.map((toolCall) => {
          const who = {
            call: { id: call.callId, toolCallId: toolCall.id },
            caller: { number: call.caller, contactId },
            signal,
          }
          const work = () => answer(toolCall, contextOf(client, who, answering))
          const tool = catalogue.get(toolCall.name)
          if (!tool || tool.readOnly) return work()
          return runs.once(repository, {
            key: { clientId: client.id, callId: call.callId, toolCallId: toolCall.id },
            signal,
            isFinal: ({ final }) => final,
            work,
            pending: () => late(tool),
          })
        }),
      )
      await keep(call, toolCalls, answers, contactId)
      return toolCalls.map(({ id, name }, index) => ({
        name: singleLine(name),
        toolCallId: id,
        ...(answers[index]?.outcome ?? { error: adviceOf(undefined) }),
      }))
    },

    /**
     * One tool, for a door other than VAPI's: its structured output, and the same as a sentence. What came of it
     * is kept with the call, if it is used in one. A repetition runs again.
     * @throws AppError
     */
    async runOne(
      tool: Tool,
      resolution: Resolution,
      { call, number, contactId }: ToolUser,
      input: Record<string, unknown>,
    ): Promise<{ output: unknown; sentence: string }> {
      const { client } = resolution
      if (!client) throw new AppError(unresolved(resolution))
      const signal = AbortSignal.timeout(deadlineMs)
      const known = Promise.resolve(contactId)
      const who = { call, caller: { number, contactId: known }, signal }
      const repository = resolution.source === 'last-known' ? undefined : store
      const context = contextOf(client, who, Promise.resolve(repository))
      const output = await run(tool, context, input)
      if (call) {
        const identity = { clientId: client.id, callId: call.id, caller: number, calledNumber: undefined }
        await keep(identity, [{ id: call.toolCallId, name: tool.name }], [done(tool, input, output)], known)
      }
      return { output, sentence: spoken(tool.say(output as never, context)) }
    },
  }
}

export type ToolRunner = ReturnType<typeof createToolRunner>

const unresolved = (resolution: Resolution & { client: undefined }) =>
  resolution.reason === 'unknown' ? 'CLIENT_UNKNOWN' : 'DATABASE_UNAVAILABLE'

/** A success, as far as it is kept with the call. */
const done = (tool: Tool, input: Record<string, unknown>, output: unknown) => ({
  payload: { name: tool.name, arguments: input, output: cleanJson(output) },
  contactId: tool.contactOf?.(output as never),
  final: true,
})

/** VAPI wants one result for an id, however often its lists name it. */
const oncePerId = (toolCalls: readonly ToolCall[]) => [
  ...new Map(toolCalls.map((toolCall) => [toolCall.id, toolCall])).values(),
]
