/**
 * Writes the OpenAPI document to docs/openapi.json, which a test keeps current: after a change of a route or a schema,
 * run `npm run openapi`. Every optional route is in it, whatever the environment is.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'

const target = new URL('../docs/openapi.json', import.meta.url)
const dataDirectory = await mkdtemp(path.join(os.tmpdir(), '1000x-agent-openapi-'))
try {
  const config = loadConfig({
    LOG_LEVEL: 'silent',
    PUBLIC_URL: 'https://agent.example.com',
    ADMIN_TOKEN: 'nobody',
    GHL_CLIENT_ID: 'app',
    GHL_CLIENT_SECRET: 'secret',
  })
  const app = await buildApp({ ...config, dataDirectory })
  try {
    await app.ready()
    await writeFile(target, `${JSON.stringify(app.swagger(), null, 2)}\n`)
  } finally {
    await app.close()
  }
} finally {
  await rm(dataDirectory, { recursive: true, force: true })
}
