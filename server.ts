import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'

/** Below Fly's and Docker's kill timeout of 60 s, so that it is us who end. */
const CLOSE_DEADLINE_MS = 55_000

/** What is allowed, and will not do once calls come in. */
function warningsOf({ env, publicUrl, vapi }: Config): string[] {
  const warnings: string[] = []
  if (env === 'production' && /^https?:\/\/localhost\b/.test(publicUrl))
    warnings.push(`PUBLIC_URL is ${publicUrl}: VAPI cannot reach that, and reports will not come`)
  if (vapi.webhookTokens.length > 0 && !vapi.credentialId)
    warnings.push(
      'VAPI_CREDENTIAL_ID is not set: VAPI sends the token only if that is set up for the whole organisation',
    )
  return warnings
}

try {
  const config = loadConfig()
  const app = await buildApp(config)
  for (const warning of warningsOf(config)) app.log.warn(warning)
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
