import { readFileSync } from 'node:fs'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import t, { type Test } from 'tap'
import { EXAMPLES } from '../../schemas/examples/operations.ts'
import { GLOSSARY } from '../../schemas/glossary.ts'
import { ADMIN_TOKEN, build, TOKEN } from '../helper.ts'

/** Every route there can be, as `npm run openapi` has them. */
async function everything(t: Test) {
  const { app } = await build(t, { env: { GHL_CLIENT_ID: 'app', GHL_CLIENT_SECRET: 'secret' } })
  await app.ready()
  return app
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

interface Schema {
  description?: string
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
}
type Content = Record<string, { schema: Schema; example?: unknown }>
interface Operation {
  operationId: string
  summary?: string
  tags: string[]
  security: Record<string, string[]>[]
  parameters?: { name: string; description?: string }[]
  requestBody?: { content: Content }
  responses: Record<string, { description: string; content?: Content }>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { securitySchemes: Record<string, unknown> }
}

const operationsOf = ({ paths }: Document) => Object.values(paths).flatMap((path) => Object.values(path))

t.test('the document is made from the routes, and docs/openapi.json is current', async (t) => {
  const app = await everything(t)
  t.equal((await app.inject('/openapi.json')).statusCode, 401)
  const response = await app.inject({ url: '/openapi.json', headers: bearer(TOKEN) })
  t.equal(response.statusCode, 200)
  const document: Document = response.json()
  t.equal(document.openapi, '3.1.0')
  t.notMatch(response.body, TOKEN)
  const kept = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')
  t.ok(`${JSON.stringify(document, null, 2)}\n` === kept, 'if not: npm run openapi')

  const described = new Set(operationsOf(document).map(({ operationId }) => operationId))
  for (const operation of app.operations.values())
    if (operation !== 'mcp.method-refused' && operation !== 'docs.file')
      t.ok(described.has(operation), `${operation} is in it`)
  for (const operation of Object.keys(EXAMPLES)) t.ok(described.has(operation), `${operation} has an example`)
})

t.test('everything in it is described', async (t) => {
  const app = await everything(t)
  const document = app.swagger() as unknown as Document
  const schemes = Object.keys(document.components.securitySchemes)
  const used = new Set<string>()
  const look = (schema: Schema | undefined, where: string) => {
    for (const [name, inner] of Object.entries(schema?.properties ?? {})) {
      used.add(name)
      t.ok(inner.description, `${where}.${name}`)
      look(inner, `${where}.${name}`)
    }
    for (const inner of [...(schema?.anyOf ?? []), ...(schema?.items ? [schema.items] : [])])
      look(inner, where)
  }
  for (const { operationId, summary, tags, security, parameters, requestBody, responses } of operationsOf(
    document,
  )) {
    t.ok(summary, `${operationId} has a summary`)
    t.equal(tags.length, 1)
    for (const name of security.flatMap((each) => Object.keys(each))) t.ok(schemes.includes(name), name)
    for (const { name, description } of parameters ?? []) {
      used.add(name)
      t.ok(description, `${operationId}: ${name}`)
    }
    for (const { schema } of Object.values(requestBody?.content ?? {})) look(schema, `${operationId} body`)
    for (const [status, { description, content }] of Object.entries(responses)) {
      t.not(description, 'Default Response', `${operationId} ${status}`)
      for (const { schema } of Object.values(content ?? {})) look(schema, `${operationId} ${status}`)
    }
  }
  for (const word of Object.keys(GLOSSARY)) t.ok(used.has(word), `${word} is used`)
})

t.test('every example fits its schema, and every body has one', async (t) => {
  const app = await everything(t)
  const ajv = new Ajv2020.default({ strict: false })
  addFormats.default(ajv)
  for (const { operationId, requestBody, responses } of operationsOf(app.swagger() as unknown as Document)) {
    const answers = Object.entries(responses).filter(([status]) => status.startsWith('2'))
    const contents = [requestBody?.content, ...answers.map(([, { content }]) => content)]
    for (const { schema, example } of contents.flatMap((content) => Object.values(content ?? {})))
      if (example !== undefined) t.ok(ajv.validate(schema, example), `${operationId}: ${ajv.errorsText()}`)
    const json = requestBody?.content['application/json']
    if (json) t.ok(json.example, `${operationId} has an example of a body`)
  }
})

t.test('the reference is a page for browsers, which ask their user for a token', async (t) => {
  const { app } = await build(t)
  const refused = await app.inject('/docs')
  t.equal(refused.statusCode, 401)
  t.match(refused.headers['www-authenticate'], [/^Bearer /, /^Basic /])
  const headers = { authorization: `Basic ${Buffer.from(`anybody:${ADMIN_TOKEN}`).toString('base64')}` }
  const page = await app.inject({ url: '/docs', headers })
  t.equal(page.statusCode, 200)
  t.match(page.headers['content-type'], /^text\/html/)
  t.match(page.headers['content-security-policy'], /default-src 'none'; script-src 'self'/)
  t.notMatch(page.body, /<script>|\son\w+=/, 'nothing that the policy forbids')
  const files = [...page.body.matchAll(/(?:src|href)="(docs\/[^"]+)"/g)].map(([, file]) => `/${file}`)
  t.equal(files.length, 3)
  for (const url of files) {
    t.equal((await app.inject(url)).statusCode, 401)
    const file = await app.inject({ url, headers })
    t.equal(file.statusCode, 200, url)
    t.match(file.headers['content-type'], /^text\/(css|javascript)/)
    t.match(file.body, /swagger-ui|SwaggerUIBundle/)
  }
  for (const url of ['/docs/nothing.js', '/docs/..%2Fpackage.json', '/docs/constructor'])
    t.equal((await app.inject({ url, headers })).statusCode, 404, url)
  t.equal((await app.inject({ url: '/admin/clients', headers })).statusCode, 401, 'it opens nothing else')
})
