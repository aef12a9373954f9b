import swagger from '@fastify/swagger'
import type { FastifySchema } from 'fastify'
import fp from 'fastify-plugin'
import { EXAMPLES } from '../schemas/examples/operations.ts'
import { GLOSSARY } from '../schemas/glossary.ts'
import { RELEASE } from '../services/release.ts'

export interface OpenApiPluginOptions {
  publicUrl: string
}

const SCHEMES = {
  webhookToken: {
    type: 'http',
    scheme: 'bearer',
    description: 'One of `VAPI_WEBHOOK_TOKEN`: VAPI, and programs that are trusted as much.',
  },
  vapiSecret: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Vapi-Secret',
    description: 'The same token in VAPI’s older header.',
  },
  vapiSignature: {
    type: 'apiKey',
    in: 'header',
    name: 'webhook-signature',
    description:
      'VAPI’s HMAC credential: a signature over the body (Standard Webhooks), beside `webhook-id` and `webhook-timestamp`, made with one of `VAPI_HMAC_SECRET`.',
  },
  callToken: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Call-Token',
    description:
      'Made for one call and put into its assistant, as a header here or as a bearer token: says which client and call are meant.',
  },
  adminToken: {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of `ADMIN_TOKEN`. Without that variable what it opens does not exist.',
  },
  browser: {
    type: 'http',
    scheme: 'basic',
    description:
      'For a browser: any name, and a token of `ADMIN_TOKEN` or `VAPI_WEBHOOK_TOKEN` as the password.',
  },
} as const
type Scheme = keyof typeof SCHEMES

interface Audience {
  tag: string
  description: string
  operations: RegExp
  /** Any of them opens it; empty: no credential is needed. */
  schemes: readonly Scheme[]
}

/** By the beginning of the operation's name, as the guards are in routes/doors.ts. */
const AUDIENCES: readonly Audience[] = [
  {
    tag: 'VAPI',
    description: 'What VAPI calls while a phone rings, during a call and after it.',
    operations: /^vapi\./,
    schemes: ['webhookToken', 'vapiSecret', 'vapiSignature', 'callToken'],
  },
  {
    tag: 'Tools',
    description: 'What the receptionist can do, for the agency’s own programs.',
    operations: /^tools\./,
    schemes: ['webhookToken', 'callToken'],
  },
  {
    tag: 'MCP',
    description: 'The same tools, and the CRM’s own, for MCP clients.',
    operations: /^mcp/,
    schemes: ['webhookToken', 'callToken'],
  },
  {
    tag: 'Administration',
    description: 'For operators: clients, calls, jobs, what was changed, what is missing.',
    operations: /^(admin\.|metrics$)/,
    schemes: ['adminToken'],
  },
  {
    tag: 'Reference',
    description: 'This document.',
    operations: /^docs\./,
    schemes: ['webhookToken', 'adminToken', 'browser'],
  },
  {
    tag: 'Public',
    description: 'For anybody, and for whoever holds an address that is a credential itself.',
    operations: /^(health|recordings|ghl)\./,
    schemes: [],
  },
]

/** The OpenAPI document, generated from the schemas of the routes. */
export default fp<OpenApiPluginOptions>(
  async (app, { publicUrl }) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: '1000x Agent',
          description:
            'An AI receptionist for each of an agency’s businesses: what VAPI calls, the tools, and what operators use. A failure is a problem document (RFC 9457).',
          version: RELEASE.version,
        },
        servers: [{ url: publicUrl }],
        tags: AUDIENCES.map(({ tag, description }) => ({ name: tag, description })),
        components: { securitySchemes: SCHEMES },
      },
      transform({ schema, url, route }) {
        return { schema: described(schema, route.config?.operation), url }
      },
      transformObject: (document) =>
        worded(('openapiObject' in document && document.openapiObject) || {}) as object,
    })
  },
  { name: 'openapi', dependencies: ['request-log'] },
)

/** The schema of a route with what follows from its operation: whose it is, how to get in, and an example. */
function described(schema: FastifySchema, operation = ''): FastifySchema {
  // Nobody has a use for a method that is refused; and a file of the reference is no part of what it describes.
  if (operation === 'mcp.method-refused' || operation === 'docs.file') return { ...schema, hide: true }
  const audience = AUDIENCES.find(({ operations }) => operations.test(operation))
  if (!audience) throw new Error(`the operation ${operation} belongs to no audience of the OpenAPI document`)
  const { body, answer } = EXAMPLES[operation] ?? {}
  const answers = Object.entries((schema.response ?? { 200: {} }) as Record<string, object>).map(
    ([status, response]) => {
      const examples = answer !== undefined && /^2/.test(status) && { examples: [answer] }
      return [status, { description: MEANINGS[status.charAt(0)], ...response, ...examples }] as const
    },
  )
  return {
    ...schema,
    operationId: operation,
    tags: [audience.tag],
    security: audience.schemes.map((scheme) => ({ [scheme]: [] })),
    ...(body !== undefined && { body: { ...(schema.body as object), examples: [body] } }),
    response: Object.fromEntries(answers),
  }
}

const MEANINGS: Readonly<Record<string, string>> = {
  2: 'It was done.',
  4: 'The request cannot be carried out as it is; `code` and `detail` say why.',
  5: 'It failed on this side, or at the CRM or VAPI; with Retry-After where it makes sense to try again.',
}

/** The same with a description for each property and parameter that has none. */
function worded(value: unknown, name?: string): unknown {
  if (Array.isArray(value)) return value.map((each) => worded(each))
  if (typeof value !== 'object' || value === null) return value
  const { properties, ...rest } = value as Record<string, unknown>
  const parameter = typeof rest.in === 'string' && typeof rest.schema === 'object' ? rest.name : undefined
  const word = GLOSSARY[name ?? String(parameter)]
  return {
    ...Object.fromEntries(
      Object.entries(rest).map(([key, inner]) => [key, /^examples?$/.test(key) ? inner : worded(inner)]),
    ),
    ...(word && !rest.description && { description: word }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties as object).map(([key, inner]) => [key, worded(inner, key)]),
      ),
    }),
  }
}
