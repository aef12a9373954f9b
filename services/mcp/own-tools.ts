import type { CallToolResult, Tool as McpTool } from '@modelcontextprotocol/server'
import type { Client } from '../clients/client.ts'
import { AppError } from '../errors.ts'
import type { isOffered, Tool } from '../tools/define.ts'
import type { Who } from './identity.ts'
import type { Caller } from './repository.ts'

/**
 * Runs one of our tools with what the model said, within its own deadline of 10 s. A caller who leaves does not end
 * it: it may be about to write.
 * @throws AppError
 */
export type RunOwnTool = (
  tool: Tool,
  who: Who,
  caller: Caller,
  args: Record<string, unknown>,
) => Promise<{ output: unknown; sentence: string }>

export interface OwnToolsOptions {
  catalogue: ReadonlyMap<string, Tool>
  isOffered: typeof isOffered
  run: RunOwnTool
  /** Never rejects. */
  callerOf: (who: Who) => Promise<Caller>
  log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
}

/** The catalogue's tools in the form of MCP. */
export function createOwnTools({ catalogue, isOffered, run, callerOf, log }: OwnToolsOptions) {
  const shown = new Map([...catalogue.values()].map((tool) => [tool.name, toMcpTool(tool)]))

  return {
    has: (name: string) => catalogue.has(name),

    list(client: Client): McpTool[] {
      const usable = [...catalogue.values()].filter((tool) => isOffered(tool, client))
      return usable.flatMap(({ name }) => shown.get(name) ?? [])
    },

    /** Never rejects: what went wrong is a result with advice for the model. */
    async call(who: Who, name: string, args: Record<string, unknown>): Promise<CallToolResult> {
      const tool = catalogue.get(name)
      if (!tool) throw new TypeError(`${name} is not in the catalogue`)
      const { client, callId } = who
      try {
        const { output, sentence } = await run(tool, who, await callerOf(who), args)
        return {
          content: [{ type: 'text', text: sentence }],
          structuredContent: output as Record<string, unknown>,
        }
      } catch (error) {
        const facts = { client: client.id, call: callId, tool: name }
        if (!(error instanceof AppError)) log.error({ ...facts, err: error }, 'a tool failed')
        else if (error.cause)
          log.warn({ ...facts, code: error.code, err: error.cause }, 'a tool failed upstream')
        return { content: [{ type: 'text', text: adviceOf(error) }], isError: true }
      }
    },
  }
}

export type OwnTools = ReturnType<typeof createOwnTools>

function toMcpTool({ name, description, input, output, readOnly }: Tool): McpTool {
  return Object.freeze({
    name,
    description,
    // TypeBox schemas are JSON Schema; what else they hold is symbols, and gone after this.
    inputSchema: JSON.parse(JSON.stringify(input)),
    outputSchema: JSON.parse(JSON.stringify(output)),
    annotations: { readOnlyHint: readOnly === true, openWorldHint: false },
  })
}

function adviceOf(error: unknown): string {
  if (error instanceof AppError) return error.advice || error.message
  return 'Something went wrong. Apologise and offer to take a message.'
}
