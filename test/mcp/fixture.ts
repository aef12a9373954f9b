import { setTimeout as pause } from 'node:timers/promises'
import type { CallToolResult, Tool } from '@modelcontextprotocol/server'
import type { ToolExchange } from '../../services/mcp/gateway.ts'
import type { Toolset } from '../../services/mcp/server.ts'

/** A red dot, and a sound of no length: the suites look at the form only. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC'
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA='

const text = (said: string) => ({ type: 'text' as const, text: said })
const image = { type: 'image' as const, data: PNG, mimeType: 'image/png' }
const resource = (uri: string, mimeType: string, said: string) => ({
  type: 'resource' as const,
  resource: { uri, mimeType, text: said },
})

type Run = (exchange: ToolExchange) => CallToolResult | Promise<CallToolResult>

/** What the suites call, by the names and with the answers that they ask for. */
const RUNS: Record<string, Run> = {
  test_simple_text: () => ({ content: [text('This is a simple text response for testing.')] }),
  test_image_content: () => ({ content: [image] }),
  test_audio_content: () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }),
  test_embedded_resource: () => ({
    content: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
  }),
  test_multiple_content_types: () => ({
    content: [
      text('Multiple content types test:'),
      image,
      resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
    ],
  }),
  test_error_handling: () => ({
    content: [text('This tool intentionally returns an error for testing')],
    isError: true,
  }),
  async test_tool_with_progress({ onProgress }) {
    for (const progress of [0, 50, 100]) {
      onProgress?.({ progress, total: 100 })
      await pause(50)
    }
    return { content: [text('done')] }
  },
  // What these are asked not to do, a server that has tools only cannot do.
  test_logging_tool: () => ({ content: [text('nothing is logged')] }),
  test_streaming_elicitation: () => ({ content: [text('nothing is asked')] }),
  json_schema_2020_12_tool: () => ({ content: [text('ok')] }),
}

/** A schema of which every keyword has to arrive. */
const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object' as const,
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
}

const tools = Object.keys(RUNS).map(
  (name): Tool => ({
    name,
    description: `A tool of the conformance suites: ${name.replaceAll('_', ' ')}`,
    inputSchema: name === 'json_schema_2020_12_tool' ? SCHEMA_2020_12 : { type: 'object', properties: {} },
  }),
)

/** These tools in place of a client's. */
export const toolset: Toolset = {
  list: async () => tools,
  call: async (name, _args, exchange) => RUNS[name]?.(exchange),
}
