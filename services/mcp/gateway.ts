import type { CallToolResult, Progress, Tool } from '@modelcontextprotocol/server'
import { SourceUnavailable } from '../cache.ts'
import type { Client } from '../clients/client.ts'
import { AppError } from '../errors.ts'
import { NotSent, UpstreamError } from '../upstream.ts'
import { limitResult, RESULT_MAX_BYTES } from './limit.ts'
import { locationFor, withOwnLocation } from './location.ts'
import { isAllowed, isReadOnly } from './policy.ts'
import type { Upstream, UpstreamAccount } from './upstream.ts'
import type { UpstreamTool, UpstreamTools, UpstreamToolsOf } from './upstream-tools.ts'

/** Reading is tried twice, and both fit into the 10 s that a tool has. */
const READ_DEADLINE_MS = 4_000
/** Writing is tried once. */
const WRITE_DEADLINE_MS = 9_000

export interface ToolExchange {
  signal: AbortSignal
  onProgress?: ((progress: Progress) => void) | undefined
}

export interface GatewayOptions {
  upstream: Upstream
  tools: UpstreamToolsOf
  log: { warn(facts: object, message: string): void }
  readDeadlineMs?: number
  writeDeadlineMs?: number
}

/** The CRM's own tools, for one client at a time and within what its settings allow. */
export function createGateway(options: GatewayOptions) {
  const { upstream, tools, log } = options
  const { readDeadlineMs = READ_DEADLINE_MS, writeDeadlineMs = WRITE_DEADLINE_MS } = options

  async function listOf(client: Client): Promise<UpstreamTools | undefined> {
    try {
      return await tools.of(accountOf(client))
    } catch (error) {
      if (!(error instanceof SourceUnavailable)) throw error
      log.warn({ client: client.id, err: error }, "the CRM's MCP server does not tell its tools")
      return undefined
    }
  }

  const isOpen = ({ settings, crm }: Client) =>
    settings.mcp_tools?.upstream !== false && crm.locationId !== ''

  return {
    /** What this client's callers are shown; nothing while the CRM is away and was never seen. */
    async list(client: Client): Promise<Tool[]> {
      if (!isOpen(client)) return []
      const { allow } = client.settings.mcp_tools ?? {}
      const known = await listOf(client)
      return [...(known?.values() ?? [])].map(({ shown }) => shown).filter((tool) => isAllowed(tool, allow))
    },

    /**
     * Forwards a call; undefined if there is no such tool, or not for this client. Failures of the CRM are results
     * that say what to do, in our words.
     * @throws AppError INVALID_INPUT
     */
    async call(
      client: Client,
      name: string,
      given: Record<string, unknown>,
      exchange: ToolExchange,
    ): Promise<CallToolResult | undefined> {
      if (!isOpen(client)) return undefined
      const known = await listOf(client)
      // Without a list, the name must do.
      const tool = known ? known.get(name) : unlisted(name)
      const { allow, max_result_bytes: max = RESULT_MAX_BYTES } = client.settings.mcp_tools ?? {}
      if (!tool || !isAllowed(tool.shown, allow)) return undefined
      try {
        const result = await attempt(client, tool, given, exchange)
        if (result.isError && isCredentialRefusal(result))
          throw new AppError('CRM_REFUSED', { cause: 'credential' })
        return limitResult(result, max)
      } catch (error) {
        const failure = error instanceof UpstreamError ? error.toAppError() : error
        if (!(failure instanceof AppError)) throw error
        if (failure.code === 'INVALID_INPUT') throw failure
        if (!exchange.signal.aborted)
          log.warn(
            { client: client.id, tool: name, code: failure.code, err: failure },
            'a forwarded tool failed',
          )
        return { content: [{ type: 'text', text: failure.advice }], isError: true }
      }
    },
  }

  async function attempt(
    client: Client,
    tool: UpstreamTool,
    given: Record<string, unknown>,
    exchange: ToolExchange,
  ) {
    const { signal, onProgress } = exchange
    const account = accountOf(client)
    const { locationId } = account
    let heard = false
    const listen = (progress: Progress) => {
      heard = true
      onProgress?.(progress)
    }
    const args = withOwnLocation(given, locationId) as Record<string, unknown>
    for (const argument of tool.locationArguments) args[argument] = locationFor(argument, locationId)
    const reads = isReadOnly(tool.shown)
    const send = () =>
      upstream.call(account, tool.shown.name, args, {
        signal,
        deadlineMs: reads ? readDeadlineMs : writeDeadlineMs,
        onProgress: onProgress && listen,
      })
    try {
      return await send()
    } catch (error) {
      if (error instanceof NotSent) throw error
      const unanswered = error instanceof UpstreamError && error.unanswered
      const neverLeft = unanswered && error.status === undefined && error.outcome === 'none'
      if (signal.aborted || heard || !(reads ? unanswered : neverLeft)) throw error
      return send()
    }
  }
}

export type Gateway = ReturnType<typeof createGateway>

const accountOf = ({ id, crm }: Client): UpstreamAccount => ({
  clientId: id,
  token: crm.token,
  locationId: crm.locationId,
})

const REFUSED_CREDENTIAL =
  /\b(?:status|code|http)\W{1,6}(?:code\W{1,6})?40[13]\b|\bunauthorized\b|\bforbidden\b/i

const unlisted = (name: string): UpstreamTool => ({
  shown: { name, inputSchema: { type: 'object' } },
  locationArguments: [],
})

/**
 * GHL tells of a refused token in the text of a result, with status 200. That is between us and the CRM: the model
 * can do nothing about it, and would read it out.
 */
function isCredentialRefusal({ content }: CallToolResult): boolean {
  return content.some((block) => block.type === 'text' && REFUSED_CREDENTIAL.test(block.text.slice(0, 2_000)))
}
