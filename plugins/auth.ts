import bearerAuth from '@fastify/bearer-auth'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { type Access, createAdmission, createKeyset } from '../services/auth/admission.ts'
import { createSignatures, type Signed } from '../services/auth/signatures.ts'
import { AppError } from '../services/errors.ts'
import type { Clock } from '../services/time.ts'

/** Hooks for `onRequest`: they run before the body is read. What was proved stands in `request.access`. */
interface Guards {
  /**
   * VAPI: `Authorization: Bearer`, the older `X-Vapi-Secret` with the same secret, the token of a call, or a
   * signature, which `vapiBody` sees to when the body has come.
   */
  vapiAuth: onRequestHookHandler
  /** Holds the signature against the bytes of the body, before they are parsed. @throws AppError UNAUTHORIZED */
  vapiBody(request: FastifyRequest, body: Uint8Array): void
  /** Whoever uses the tools from outside a call, or in one with its token. */
  toolAuth: onRequestHookHandler
  /** Whoever uses the tools through MCP: a call's assistant. */
  mcpAuth: onRequestHookHandler
  /** For what no call's token opens, where only the body tells what is asked for. @throws AppError UNAUTHORIZED */
  requireTrust(request: FastifyRequest): void
  /** Whoever reads the reference: programs that are trusted, operators, and either of them with a browser. */
  readerAuth: onRequestHookHandler
  /** Operators. Says in `request.operator` whose token it is. */
  adminAuth: onRequestHookHandler
}

declare module 'fastify' {
  interface FastifyInstance {
    guards: Guards
  }
  interface FastifyRequest {
    /** What its credentials prove; undefined: nothing, or nothing was asked. */
    access: Access | undefined
    /** Headers of a signature that nothing has been held against so far. */
    signed: Signed | undefined
    /** Id of a delivery whose signature is right: the same if it comes again. */
    deliveryId: string | undefined
    /** Name of the admin's token, for the audit log; empty where no admin asks. */
    operator: string
  }
}

export interface AuthPluginOptions {
  /** Any of these is accepted, so that they can be rotated. With neither these nor secrets authentication is off. */
  webhookTokens: readonly string[]
  /** Of VAPI's HMAC credential; any of them may have signed. */
  hmacSecrets: readonly string[]
  /** Who may use the admin routes; nobody if it is empty. */
  adminTokens: readonly { readonly name: string; readonly token: string }[]
  clock: Clock
}

export default fp<AuthPluginOptions>(
  async (app, { webhookTokens, hmacSecrets, adminTokens, clock }) => {
    // Only for the verifiers: each guard has keys of its own.
    await app.register(bearerAuth, { addHook: false, keys: new Set<string>(), verifyErrorLogLevel: 'info' })
    const open = webhookTokens.length + hmacSecrets.length === 0
    if (open)
      app.log.error(
        'VAPI_WEBHOOK_TOKEN is not set, and no VAPI_HMAC_SECRET: AUTHENTICATION IS OFF, anybody can use this server',
      )
    const admit = createAdmission({ webhookTokens, open, callTokens: app.callTokens })
    const signatures = createSignatures({ secrets: hmacSecrets, clock })
    app.decorateRequest('access', undefined)
    app.decorateRequest('signed', undefined)
    app.decorateRequest('deliveryId', undefined)

    const enter = async (request: FastifyRequest) => {
      request.access = await admit(request.headers)
      if (!request.access) throw new AppError('UNAUTHORIZED')
    }
    const isAdminToken = createKeyset(adminTokens.map(({ token }) => token))
    const requireTrust = (request: FastifyRequest) => {
      if (!request.access?.trusted) throw new AppError('UNAUTHORIZED')
    }
    app.decorate('guards', {
      toolAuth: enter,
      mcpAuth: enter,
      requireTrust,
      async readerAuth(request) {
        // A browser has its user type a name and a password. Here alone, where nothing can be changed: it sends them
        // by itself from then on, also where another site has it ask.
        const password = passwordIn(request.headers.authorization)
        const authorization = password === undefined ? request.headers.authorization : `Bearer ${password}`
        if (isAdminToken(/^Bearer +(.+)$/i.exec(authorization ?? '')?.[1] ?? '')) return
        request.access = await admit({ ...request.headers, authorization })
        requireTrust(request)
      },
      adminAuth: adminGuard(app, adminTokens),
      vapiAuth(request, _reply, done) {
        const secret = request.headers['x-vapi-secret']
        const enter = (access: Access | undefined) => {
          request.access = access
          request.signed = signatures.read(request.headers)
          done(access || request.signed ? undefined : new AppError('UNAUTHORIZED'))
        }
        const access = admit(request.headers, typeof secret === 'string' ? secret : undefined)
        // At once where that can be: a phone is ringing.
        if (access instanceof Promise) access.then(enter, done)
        else enter(access)
      },
      vapiBody(request, body) {
        const { signed, access } = request
        if (signed && signatures.verify(signed, body)) {
          request.access = { trusted: true, call: access?.call }
          request.deliveryId = signed.id
        }
        if (!request.access) throw new AppError('UNAUTHORIZED')
      },
    })
  },
  { name: 'auth', dependencies: ['errors', 'call-tokens'] },
)

/** The password of HTTP Basic, whatever the name. */
function passwordIn(header: string | undefined): string | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? '') ?? []
  return encoded && /^[^:]*:(.+)$/s.exec(Buffer.from(encoded, 'base64').toString())?.[1]
}

/** Lets any of these tokens in; they are compared in constant time. */
function bearerGuard(app: FastifyInstance, tokens: Iterable<string>): onRequestHookHandler {
  if (!app.verifyBearerAuthFactory) throw new Error('@fastify/bearer-auth is not there')
  const verify = app.verifyBearerAuthFactory({
    addHook: false,
    keys: new Set(tokens),
    verifyErrorLogLevel: 'info',
  })
  return (request, reply, done) => {
    verify(request, reply, (error) => done(error && new AppError('UNAUTHORIZED', { cause: error })))
  }
}

function adminGuard(
  app: FastifyInstance,
  adminTokens: AuthPluginOptions['adminTokens'],
): onRequestHookHandler {
  const names = new Map(adminTokens.map(({ name, token }) => [token, name]))
  const verify = bearerGuard(app, names.keys())
  app.decorateRequest('operator', '')
  return function adminAuth(request, reply, done) {
    verify.call(this, request, reply, (error) => {
      const token = request.headers.authorization?.replace(/^Bearer\s+/, '').trim() ?? ''
      if (!error) request.operator = names.get(token) ?? ''
      done(error)
    })
  }
}
