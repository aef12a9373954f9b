/**
 * GHL's MCP server, for the benchmark: the sandbox, or with FIXED=1 a server that answers every call with the same
 * event of 2 KB and does next to nothing, so that it is not what is measured.
 */
import { createServer } from 'node:http'
import { startGhlMcpSandbox } from '../../sandbox/ghl-mcp.ts'
import { locationOf, tokenOf } from '../messages.ts'

const { HOST = '127.0.0.1', PORT, CLIENTS, FIXED } = process.env

if (FIXED) {
  createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { id, method } = JSON.parse(Buffer.concat(chunks).toString())
      const inputSchema = { type: 'object' }
      const result =
        method === 'tools/list'
          ? { tools: [{ name: 'contacts_get-contacts', inputSchema }] }
          : { content: [{ type: 'text', text: 'x'.repeat(2_000) }] }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`)
    })
  }).listen(Number(PORT), HOST)
} else {
  const sandbox = await startGhlMcpSandbox({ host: HOST, port: Number(PORT) })
  for (let n = 0; n < Number(CLIENTS); n += 1) sandbox.addAccount(tokenOf(n), locationOf(n))
}
