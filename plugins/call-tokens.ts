import fp from 'fastify-plugin'
import { type CallTokens, createCallTokens } from '../services/auth/call-tokens.ts'
import { createKeyRing, REFRESH_MS } from '../services/auth/key-ring.ts'
import { createKeyRepository } from '../services/calls/keys-repository.ts'
import type { Clock } from '../services/time.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What VAPI sends back in a call, and thereby proves whose call it is. */
    callTokens: CallTokens
  }
}

export interface CallTokensPluginOptions {
  clock: Clock
  /** Milliseconds from one reading of the keys to the next. */
  refreshMs?: number
}

/** Tokens of calls. Their keys are read before the server starts, and again and again while it runs. */
export default fp<CallTokensPluginOptions>(
  async (app, { clock, refreshMs = REFRESH_MS }) => {
    const repository = createKeyRepository({ sql: app.sql })
    const keys = createKeyRing({ repository, purpose: 'call-token' })
    await keys.refresh()
    const again = async () => {
      await keys
        .refresh()
        .catch((err) => app.log.warn({ err }, 'the keys of call tokens could not be read again'))
    }
    const timer = setInterval(again, refreshMs).unref()
    app.addHook('onClose', async () => clearInterval(timer))
    app.decorate('callTokens', createCallTokens({ keys, clock, log: app.log }))
  },
  { name: 'call-tokens', dependencies: ['database'] },
)
