import fp from 'fastify-plugin'
import { AppError, invalid } from '../services/errors.ts'
import { isDeeperThan } from '../services/json.ts'

declare module 'fastify' {
  interface FastifyInstance {
    draining: {
      /** Whether this instance is about to close: it still serves, and asks to be sent nothing more. */
      readonly active: boolean
      begin(): void
    }
  }
}

/** VAPI sends some 15, proxies add a handful. Node by itself drops what comes after 1,000 without a word. */
const HEADERS_MAX = 100
/**
 * VAPI's deepest reports have some 15 levels, tools and MCP fewer. A refused report is lost, so there is much room;
 * far deeper JSON is made to exhaust somebody's stack. (The parser has none: 10,000 levels take it 3 ms.)
 */
const DEPTH_MAX = 200
/**
 * A tool is answered within 10 s of its arrival. What takes longer is a body that trickles in or an answer nobody
 * reads, and the 55 s that closing may take are for jobs as well.
 */
const CLOSE_DEADLINE_MS = 12_000

export interface EdgePluginOptions {
  /** Milliseconds that requests under way have when the server closes. */
  closeDeadlineMs?: number
}

/** The bounds of a request that are not Node's or Fastify's own, and the end of an instance. */
export default fp<EdgePluginOptions>(
  async (app, { closeDeadlineMs = CLOSE_DEADLINE_MS }) => {
    // Hooks with a callback: of a promise for each, a ringing phone would wait for half a dozen.
    app.addHook('onRequest', (request, _reply, done) => {
      done(request.raw.rawHeaders.length / 2 > HEADERS_MAX ? new AppError('HEADERS_TOO_MANY') : undefined)
    })
    app.addHook('preValidation', ({ body }, _reply, done) => {
      const tooDeep = isDeeperThan(body, DEPTH_MAX)
      done(tooDeep ? invalid('body', `body is nested deeper than ${DEPTH_MAX} levels`) : undefined)
    })

    let active = false
    app.decorate('draining', {
      get active() {
        return active
      },
      begin() {
        active = true
      },
    })
    app.addHook('onSend', (_request, reply, payload, done) => {
      // The sender makes a new connection for its next request, and a proxy makes it to another instance.
      if (active) reply.header('connection', 'close')
      done(null, payload)
    })
    let cut: NodeJS.Timeout | undefined
    app.addHook('preClose', async () => {
      active = true
      // Once it closes, Node no longer cuts late requests off.
      cut = setTimeout(() => {
        app.log.warn('closing: connections that do not end have been cut')
        app.server.closeAllConnections()
      }, closeDeadlineMs)
    })
    app.addHook('onClose', async () => clearTimeout(cut))
  },
  { name: 'edge', dependencies: ['errors'] },
)
