import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import { ConfigError, loadConfig } from './config.ts'

/** Below Fly's and Docker's kill timeout of 60 s, so that it is us who end. */
const CLOSE_DEADLINE_MS = 55_000

try {
  const config = loadConfig()
  const app = await buildApp(config)
  closeWithGrace({ delay: CLOSE_DEADLINE_MS, logger: app.log }, async ({ signal, err }) => {
    if (err) app.log.fatal({ err }, 'an error nobody handled: closing')
    else app.log.info({ signal }, 'closing')
    await app.close()
  })
  await app.listen({ host: config.host, port: config.port })
} catch (error) {
  const text = error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : error
  process.stderr.write(`${text}\n`)
  process.exit(1)
}
