/**
 * A peer: the same two doors as one would write them in an afternoon. Express, a Map as cache, the assistant built and
 * made into JSON for each request, the date with toLocaleString, MCP forwarded with the global fetch.
 * With TUNED=1 the date is remembered for a minute and no ETag is made.
 */
import { readFileSync } from 'node:fs'
import express from 'express'
import postgres from 'postgres'
import { TOKEN } from '../messages.ts'

const { HOST, PORT, ANSWER_FILE, DATABASE_URL = '', MCP_URL = '', TUNED } = process.env

/** What this server would have in its source: all of the assistant but what differs from client to client. */
const { assistant } = ANSWER_FILE ? JSON.parse(readFileSync(ANSWER_FILE, 'utf8')) : {}
const sql = postgres(DATABASE_URL, { max: 10, onnotice: () => {} })
const cache = new Map<string, postgres.Row>()
const dates = new Map<string, { minute: number; text: string }>()

async function clientOf(number: string): Promise<postgres.Row> {
  const known = cache.get(number)
  if (known) return known
  const [client] = await sql`select * from clients where twilio_number = ${number}`
  if (!client) throw new Error('no client')
  cache.set(number, client)
  return client
}

function say(now: Date, timeZone: string): string {
  const options = { timeZone, dateStyle: 'full', timeStyle: 'short' } as const
  if (!TUNED) return now.toLocaleString('en-US', options)
  const minute = Math.floor(now.getTime() / 60_000)
  const known = dates.get(timeZone)
  if (known?.minute === minute) return known.text
  const text = now.toLocaleString('en-US', options)
  dates.set(timeZone, { minute, text })
  return text
}

function assistantFor(client: postgres.Row, caller: string) {
  const [system] = assistant.model.messages
  const now = `It is ${say(new Date(), client.timezone)} (${client.timezone}).`
  return {
    ...assistant,
    name: client.client_name,
    model: {
      ...assistant.model,
      messages: [{ ...system, content: `${system.content}\n${now}\nCalls from ${caller}.` }],
      tools: assistant.model.tools.map((tool: object) => ({ ...tool })),
    },
    server: { ...assistant.server },
    metadata: { clientId: client.id },
  }
}

const app = express()
if (TUNED) app.set('etag', false)
app.use(express.json({ limit: '16mb' }))
app.use((request, response, next) => {
  const begun = Date.now()
  console.log(`${new Date(begun).toISOString()} ${request.method} ${request.url}`)
  response.on('finish', () => {
    console.log(`${new Date().toISOString()} ${request.url} ${response.statusCode} ${Date.now() - begun} ms`)
  })
  if (request.headers.authorization !== `Bearer ${TOKEN}`) return void response.status(401).end()
  next()
})

app.post('/vapi/webhooks', async (request, response) => {
  const { message } = request.body
  const client = await clientOf(message.phoneNumber.number)
  response.json({ assistant: assistantFor(client, message.customer.number) })
})

app.post('/mcp', async (request, response) => {
  const client = await clientOf(String(request.headers['x-phone-number']))
  const upstream = await fetch(MCP_URL, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${client.ghl_token}`,
      locationId: client.location_id,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify(request.body),
  })
  response.status(upstream.status).type(upstream.headers.get('content-type') ?? '')
  const reader = upstream.body?.getReader()
  while (reader) {
    const { done, value } = await reader.read()
    if (done) break
    response.write(value)
  }
  response.end()
})

app.listen(Number(PORT), HOST ?? '127.0.0.1')
