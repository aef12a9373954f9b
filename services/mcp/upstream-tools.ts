import { createHash } from 'node:crypto'
import type { Tool } from '@modelcontextprotocol/server'
import { createLookup } from '../cache.ts'
import { createLru } from '../lru.ts'
import { namesLocation } from './location.ts'
import type { Upstream, UpstreamAccount } from './upstream.ts'

/** For how long a client's list counts as current. */
const TTL_MS = 300_000
/** Clients whose list is kept. */
const MAX = 10_000
/** A call is starting and VAPI waits for the list; ours alone are better than none. */
const PATIENCE_MS = 2_500
const DEADLINE_MS = 8_000
/** Lists that differ: accounts of one plan are shown the same. */
const LISTS_MAX = 200

/** A tool as its server lists it, and as we show it. */
export interface UpstreamTool {
  /** Without what says whose account it is: that is never the model's to say. */
  readonly shown: Tool
  /** Arguments of the tool that say whose account it is. */
  readonly locationArguments: readonly string[]
}

export type UpstreamTools = ReadonlyMap<string, UpstreamTool>

export interface UpstreamToolsOptions {
  upstream: Pick<Upstream, 'list'>
  ttlMs?: number
}

/** The tools GHL's MCP server shows to each client, kept for five minutes and beyond if GHL is down. */
export function createUpstreamTools({ upstream, ttlMs = TTL_MS }: UpstreamToolsOptions) {
  const alike = createLru<UpstreamTools>(LISTS_MAX)

  /** One object for all clients that are shown the same; a list is 100 KB, and there are 10,000 clients. */
  function shared(tools: Tool[]): UpstreamTools {
    const digest = createHash('sha256').update(JSON.stringify(tools)).digest('base64')
    const known = alike.get(digest)
    if (known) return known
    const made = new Map(tools.map((tool) => [tool.name, toUpstreamTool(tool)]))
    alike.set(digest, made)
    return made
  }

  const lists = createLookup<UpstreamTools>({
    max: MAX,
    ttlMs,
    patienceMs: PATIENCE_MS,
    load: async (key) => {
      const [clientId = '', locationId = '', token = ''] = JSON.parse(key) as string[]
      // Whoever waits may leave while others stay, so no caller's signal ends it.
      const { signal } = new AbortController()
      return shared(await upstream.list({ clientId, locationId, token }, { signal, deadlineMs: DEADLINE_MS }))
    },
  })

  return {
    /**
     * The list of one client, by the name of the tool. Another token or location is another list.
     * @throws SourceUnavailable if GHL does not answer and the list was never seen
     */
    async of({ clientId, locationId, token }: UpstreamAccount): Promise<UpstreamTools> {
      const found = await lists.get(JSON.stringify([clientId, locationId, token]))
      return found.value ?? new Map()
    },
  }
}

export type UpstreamToolsOf = ReturnType<typeof createUpstreamTools>

/**
 * Of a tool's description only what a model needs. The schema of its output goes too: an answer that had to be cut
 * would not fit it, and whoever checks would throw it away.
 */
function toUpstreamTool({ name, title, description, inputSchema, annotations }: Tool): UpstreamTool {
  const { properties = {}, required, ...schema } = inputSchema
  const locationArguments = Object.keys(properties).filter(namesLocation)
  const isOurs = (argument: string) => locationArguments.includes(argument)
  const left = required?.filter((argument) => !isOurs(argument))
  return Object.freeze({
    locationArguments,
    shown: {
      name,
      ...(title !== undefined && { title }),
      ...(description !== undefined && { description }),
      inputSchema: {
        ...schema,
        type: 'object' as const,
        properties: Object.fromEntries(Object.entries(properties).filter(([argument]) => !isOurs(argument))),
        ...(left?.length && { required: left }),
      },
      ...(annotations && { annotations }),
    },
  })
}
