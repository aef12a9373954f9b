/** A floor: one bare route of Fastify, which reads the request, answers the bytes in ANSWER_FILE and logs one line. */
import { readFileSync } from 'node:fs'
import Fastify, { LogController } from 'fastify'

const { HOST, PORT, ANSWER_FILE = '' } = process.env
const answer = readFileSync(ANSWER_FILE)

const app = Fastify({ logger: true, logController: new LogController({ disableRequestLogging: true }) })
app.addHook('onResponse', (request, reply, done) => {
  const client = 'c0ffee00-1111-4222-8333-444444444444'
  const { statusCode: status, elapsedTime: ms } = reply
  request.log.info({ operation: 'vapi.assistant-request', client, call: client, status, ms }, 'request')
  done()
})
app.post('/vapi/webhooks', (_request, reply) => {
  reply.type('application/json; charset=utf-8').send(answer)
})
await app.listen({ host: HOST ?? '127.0.0.1', port: Number(PORT) })
