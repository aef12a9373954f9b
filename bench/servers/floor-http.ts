/** A floor: node:http alone, which reads the request's bytes and answers those in ANSWER_FILE. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const { HOST, PORT, ANSWER_FILE = '' } = process.env
const answer = readFileSync(ANSWER_FILE)

createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    JSON.parse(Buffer.concat(chunks).toString())
    response.writeHead(200, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': answer.length,
    })
    response.end(answer)
  })
}).listen(Number(PORT), HOST)
