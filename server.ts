import { setTimeout as after } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import { ConfigError, loadConfig } from './config.ts'
import { KeyMissing } from './services/clients/sealing.ts'

/**
 * Below Fly's and Docker's kill timeout of 60 s, so that it is us who end. Serving on takes 3 s of it, requests under
 * way at most 12, jobs at most 20, and a database that does not answer some 13.
 */
const CLOSE_DEADLINE_MS = 55_000
/** So long a closing server still serves everybody, until whoever sends requests here has seen that it closes. */
const DRAIN_MS = 3_000

try {
  const config = loadConfig()
  const app = await buildApp(config)
  if (config.env === 'production' && /^https?:\/\/localhost\b/.test(config.publicUrl))
    app.log.warn(`PUBLIC_URL is ${config.publicUrl}: VAPI cannot reach that, and reports will not come`)
  closeWithGrace({ delay: CLOSE_DEADLINE_MS, logger: app.log }, async ({ signal, err }) => {
    if (err) app.log.fatal({ err }, 'an error nobody handled: closing')
    else app.log.info({ signal }, 'closing')
    app.draining.begin()
    // In development nobody stands before it, and whoever wrote the code waits.
    if (signal && config.env === 'production') await after(DRAIN_MS)
    await app.close()
  })
  await app.listen({ host: config.host, port: config.port })
} catch (error) {
  // What an operator can mend is told in a sentence; what he cannot, with where it happened.
  const mendable = error instanceof ConfigError || error instanceof KeyMissing
  const text = mendable ? error.message : error instanceof Error ? error.stack : error
  process.stderr.write(`${text}\n`)
  process.exit(1)
}
