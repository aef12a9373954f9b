import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'

/**
 * Everything from here and nothing from elsewhere. Swagger UI styles its elements one by one, which is the only thing
 * that needs more than 'self'.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

// Addresses are relative, so that a proxy may put all of it under a path of its own.
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>1000x Agent: API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="docs/swagger-ui.css">
  </head>
  <body>
    <div id="reference"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`

const START = `SwaggerUIBundle({
  dom_id: '#reference',
  url: 'openapi.json',
  validatorUrl: null,
  deepLinking: true,
  displayOperationId: true,
  defaultModelsExpandDepth: 0,
})
`

const ofPackage = (name: string) => () =>
  readFile(fileURLToPath(import.meta.resolve(`@fastify/swagger-ui/static/${name}`)))

const FILES: Readonly<Record<string, { type: string; read: () => Promise<Buffer | string> }>> = {
  'swagger-ui.css': { type: 'text/css; charset=utf-8', read: ofPackage('swagger-ui.css') },
  'swagger-ui-bundle.js': { type: 'text/javascript; charset=utf-8', read: ofPackage('swagger-ui-bundle.js') },
  'start.js': { type: 'text/javascript; charset=utf-8', read: async () => START },
}

/**
 * What this server understands, for programs and their authors. Not with the plugin of `@fastify/swagger-ui`, whose
 * files these are: its routes have no names, and it allows what the page does not need.
 */
const docs: FastifyPluginAsyncTypebox = async (scope) => {
  scope.addHook('onSend', async (_request, reply) => {
    // Two headers: a browser reads only the first challenge of each, and asks its user only for the second.
    if (reply.statusCode === 401)
      reply.header('www-authenticate', [
        'Bearer realm="1000x-agent"',
        'Basic realm="1000x-agent", charset="UTF-8"',
      ])
  })

  scope.get(
    '/openapi.json',
    {
      config: { operation: 'docs.openapi' },
      schema: { summary: 'This document', response: { 200: Type.Unknown({ description: 'OpenAPI 3.1' }) } },
    },
    async (_request, reply) =>
      reply.serializer(JSON.stringify).type('application/json').send(scope.swagger()),
  )

  scope.get(
    '/docs',
    {
      config: { operation: 'docs.page' },
      schema: { summary: 'This document for people', produces: ['text/html'] },
    },
    async (_request, reply) =>
      reply
        .header('content-security-policy', CONTENT_SECURITY_POLICY)
        .header('x-content-type-options', 'nosniff')
        .header('referrer-policy', 'no-referrer')
        .type('text/html; charset=utf-8')
        .send(PAGE),
  )

  scope.get(
    '/docs/:file',
    {
      config: { operation: 'docs.file' },
      schema: { summary: 'A file of the reference', params: Type.Object({ file: Type.String() }) },
    },
    async ({ params }, reply) => {
      const file = Object.hasOwn(FILES, params.file) ? FILES[params.file] : undefined
      if (!file) return reply.callNotFound()
      return reply
        .header('cache-control', 'private, max-age=86400')
        .header('x-content-type-options', 'nosniff')
        .type(file.type)
        .send(await file.read())
    },
  )
}

export default docs
