/**
 * A floor: one bare route of Fastify with one bare statement through `postgres`. For a ring it selects the client and
 * answers the bytes in ANSWER_FILE; for a report it upserts the session, which commits by itself. Logs one line.
 */
import { readFileSync } from 'node:fs'
import Fastify, { LogController } from 'fastify'
import postgres from 'postgres'
import { clientBy, type SessionRow, upsertSession } from '../statements.ts'

const { HOST, PORT, ANSWER_FILE, DATABASE_URL = '', CLIENT_ID = '' } = process.env
const answer = ANSWER_FILE && readFileSync(ANSWER_FILE)
const sql = postgres(DATABASE_URL, { max: 10, onnotice: () => {} })

interface Message {
  type: string
  call: { id: string }
  phoneNumber: { number: string }
  artifact: Pick<SessionRow, 'transcript'>
  analysis: Pick<SessionRow, 'summary'>
}

const app = Fastify({ logger: true, logController: new LogController({ disableRequestLogging: true }) })
app.addHook('onResponse', (request, reply, done) => {
  const client = 'c0ffee00-1111-4222-8333-444444444444'
  const { statusCode: status, elapsedTime: ms } = reply
  request.log.info({ operation: 'vapi', client, call: client, status, ms }, 'request')
  done()
})
app.post('/vapi/webhooks', async (request, reply) => {
  const { message } = request.body as { message: Message }
  const { type, call, phoneNumber, artifact, analysis } = message
  if (type === 'assistant-request') {
    const [client] = await clientBy(sql, phoneNumber.number)
    return client ? reply.type('application/json; charset=utf-8').send(answer) : reply.code(404).send()
  }
  const { transcript } = artifact
  await upsertSession(sql, { clientId: CLIENT_ID, callId: call.id, transcript, summary: analysis.summary })
  return { received: true }
})
await app.listen({ host: HOST ?? '127.0.0.1', port: Number(PORT) })
