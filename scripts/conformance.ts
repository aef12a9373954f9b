/**
 * `node scripts/conformance.ts`: the official MCP conformance suites against the route with the suites' own tools
 * behind it, and against `/mcp` as it runs in production. There the same tools stand in the place of the CRM's MCP
 * server, so that what the suites call goes through the gateway.
 *
 * A suite sends no credential; a proxy on this machine adds it. What may fail stands in `test/mcp/conformance-*.yml`,
 * and what stands there and passes is a fault too.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { createClientRepository } from '../services/clients/repository.ts'
import { startEmbeddedPostgres } from '../services/database/embedded.ts'
import { startFixtureServer } from '../test/mcp/fixture-server.ts'

const TOKEN = 'conformance'
const NUMBER = '+14155550100'
const CLIENT = {
  client_name: 'Conformance',
  twilio_number: NUMBER,
  ghl_token: 'pit-conformance',
  location_id: 'ConformanceLocation1',
  settings: { mcp_tools: { allow: ['test_*', 'json_schema_2020_12_tool'] } },
}
const root = fileURLToPath(new URL('..', import.meta.url))

/** The suite of the revisions with a handshake, and the one that knows the stateless revision. */
const RUNS = [
  { suite: 'conformance-handshake', args: ['--suite', 'all'], name: 'handshake' },
  { suite: 'conformance-stateless', args: ['--requirements', '2025-11-25'], name: '2025-11-25' },
  { suite: 'conformance-stateless', args: ['--requirements', '2026-07-28'], name: '2026-07-28' },
]

const embedded = process.env.TEST_DATABASE_URL
  ? undefined
  : await startEmbeddedPostgres({ directory: '.data/conformance', volatile: true })
const admin = postgres(process.env.TEST_DATABASE_URL ?? embedded?.url ?? '', { max: 1, onnotice: () => {} })
const database = `agent_conformance_${process.pid}`
const results = await mkdtemp(path.join(tmpdir(), 'mcp-conformance-'))
const fixture = await startFixtureServer()
try {
  await admin`create database ${admin(database)}`
  const url = new URL(process.env.TEST_DATABASE_URL ?? embedded?.url ?? '')
  url.pathname = `/${database}`
  const app = await buildApp(
    loadConfig({
      NODE_ENV: 'test',
      LOG_LEVEL: 'error',
      PUBLIC_URL: 'https://agent.example.com',
      DATABASE_URL: url.href,
      VAPI_WEBHOOK_TOKEN: TOKEN,
      GHL_MCP_URL: `${fixture.url}/mcp`,
    }),
  )
  await createClientRepository({ sql: app.sql }).put(CLIENT)
  const production = await app.listen({ host: '127.0.0.1', port: 0 })
  const credential = { authorization: `Bearer ${TOKEN}`, 'x-phone-number': NUMBER }
  const proxy = await startProxy(production, credential)

  const failures: string[] = []
  for (const [target, address] of [
    ['fixture', fixture.url],
    ['production', addressOf(proxy)],
  ] as const) {
    for (const { suite, args, name } of RUNS) {
      const baseline = path.join(root, 'test/mcp', `conformance-${name}.yml`)
      console.log(`\n== ${target}, ${name}`)
      const code = await run(suite, ['--url', `${address}/mcp`, ...args, '--expected-failures', baseline])
      if (code !== 0) failures.push(`${target}, ${name}`)
    }
  }
  proxy.closeAllConnections()
  proxy.close()
  await app.close()
  console.log(failures.length === 0 ? '\nAll as the baselines say.' : `\nFAULT in ${failures.join('; ')}`)
  process.exitCode = failures.length === 0 ? 0 : 1
} finally {
  await fixture.close()
  await admin`drop database if exists ${admin(database)} with (force)`
  await admin.end()
  await embedded?.stop()
  await rm(results, { recursive: true, force: true })
}

/** Runs a suite and shows its summary; all of what it says if it is not content. */
async function run(suite: string, args: string[]): Promise<number> {
  const main = path.join(root, 'node_modules', suite, 'dist/index.js')
  // It keeps its results where it runs.
  const child = spawn(process.execPath, [main, 'server', ...args], { cwd: results })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  }
  const [code] = await once(child, 'close')
  const verbose = code !== 0 || process.argv.includes('--verbose')
  const start = verbose ? 0 : output.lastIndexOf('=== SUMMARY ===')
  console.log(output.slice(Math.max(0, start)).trim())
  return code ?? 1
}

/** Passes everything on as it is, with `added` to the headers: the Host too, which is part of what is tested. */
async function startProxy(target: string, added: Record<string, string>): Promise<Server> {
  const server = createServer((asked, reply) => {
    const { method, headers } = asked
    const onward = request(
      `${target}${asked.url}`,
      { method, headers: { ...headers, ...added } },
      (answer) => {
        reply.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(reply)
      },
    )
    onward.on('error', () => reply.destroy())
    reply.on('close', () => onward.destroy())
    asked.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
