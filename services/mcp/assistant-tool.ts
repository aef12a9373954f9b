import type { Vapi } from '@vapi-ai/server-sdk'
import type { Client } from '../clients/client.ts'
import { UPSTREAM_ONLY } from './identity.ts'

/** VAPI's own default; a forwarded call ends before it. */
const TIMEOUT_SECONDS = 20

/** Whether this client's assistant gets the CRM's own tools: its settings ask for them. */
export const wantsUpstreamTools = ({ settings }: Pick<Client, 'settings'>): boolean =>
  settings.mcp_tools?.upstream === true

/** The MCP door as a tool of the assistants of those clients that want it. */
export function upstreamToolsOf(publicUrl: string, credentialId?: string | undefined) {
  return (
    client: Pick<Client, 'settings' | 'number'>,
    _hold?: string,
    headers: Readonly<Record<string, string>> = {},
  ): Vapi.OpenAiModelToolsItem[] =>
    wantsUpstreamTools(client)
      ? [mcpToolOf(publicUrl, { 'x-phone-number': client.number, ...headers }, credentialId)]
      : []
}

/**
 * The MCP door as a tool of an assistant. VAPI lists its tools when a call starts and sends `headers` with each
 * request, to which it adds the call's id. Pure.
 *
 * Our own tools are left out of what it lists: the assistant has them as functions, and a model that is given two
 * tools of one name refuses both.
 */
export function mcpToolOf(
  publicUrl: string,
  headers: Readonly<Record<string, string>>,
  credentialId?: string | undefined,
): Vapi.OpenAiModelToolsItem.Mcp {
  return {
    type: 'mcp',
    server: {
      url: `${publicUrl}/mcp`,
      headers: { ...headers, 'x-tools': UPSTREAM_ONLY },
      timeoutSeconds: TIMEOUT_SECONDS,
      ...(credentialId && { credentialId }),
    },
    metadata: { protocol: 'shttp' },
  }
}
