import { ADMIN_EXAMPLES } from './admin.ts'
import { CALL, type Examples } from './names.ts'
import { TOOL_EXAMPLES } from './tools.ts'

/**
 * What goes in and what comes back, by operation, for the OpenAPI document. Not beside the schemas themselves: those of
 * the tools are sent to VAPI, which refuses words it does not know.
 */
export const EXAMPLES: Examples = {
  'vapi.webhook': {
    body: {
      message: {
        type: 'assistant-request',
        timestamp: 1787270400000,
        call: { id: CALL, type: 'inboundPhoneCall', status: 'ringing' },
        phoneNumber: { number: '+17787450185' },
        customer: { number: '+12505550188' },
      },
    },
  },
  mcp: { body: { jsonrpc: '2.0', id: 1, method: 'tools/list' } },
  'ghl.oauth.callback': { answer: { status: 'connected', location_id: 've9EPM428h8vShlRW1KT' } },
  ...TOOL_EXAMPLES,
  ...ADMIN_EXAMPLES,
}
