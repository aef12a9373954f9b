import bearerAuth from '@fastify/bearer-auth'
import type { onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { AppError } from '../services/errors.ts'

/** Hooks for `onRequest`: they run before the body is read. */
interface Guards {
  /** VAPI: `Authorization: Bearer`, or the older `X-Vapi-Secret` with the same secret. */
  vapiAuth: onRequestHookHandler
  /** Whoever uses the tools from outside a call. */
  toolAuth: onRequestHookHandler
  /** Whoever uses the tools through MCP: a call's assistant. */
  mcpAuth: onRequestHookHandler
}

declare module 'fastify' {
  interface FastifyInstance {
    guards: Guards
  }
}

export interface AuthPluginOptions {
  /** Any of these is accepted, so that they can be rotated; none: authentication is off. */
  webhookTokens: readonly string[]
}

export default fp<AuthPluginOptions>(
  async (app, { webhookTokens }) => {
    if (webhookTokens.length === 0) {
      app.log.error('VAPI_WEBHOOK_TOKEN is not set: AUTHENTICATION IS OFF, anybody can use this server')
      const open: onRequestHookHandler = async () => {}
      app.decorate('guards', { vapiAuth: open, toolAuth: open, mcpAuth: open })
      return
    }
    await app.register(bearerAuth, {
      addHook: false,
      keys: new Set(webhookTokens),
      verifyErrorLogLevel: 'info',
    })
    const verify: onRequestHookHandler = (request, reply, done) => {
      app.verifyBearerAuth?.(request, reply, (error) =>
        done(error && new AppError('UNAUTHORIZED', { cause: error })),
      )
    }
    app.decorate('guards', {
      toolAuth: verify,
      mcpAuth: verify,
      vapiAuth(request, reply, done) {
        const secret = request.headers['x-vapi-secret']
        // The same check for both, in constant time.
        if (typeof secret === 'string' && !request.headers.authorization)
          request.headers.authorization = `Bearer ${secret}`
        verify.call(this, request, reply, done)
      },
    })
  },
  { name: 'auth', dependencies: ['errors'] },
)
