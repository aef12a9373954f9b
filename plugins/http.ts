import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import {
  type ConnectionError,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  LogController,
} from 'fastify'

export interface HttpOptions {
  /** How many proxies stand before this server. */
  trustedProxies: number
}

/** Bodies of a program or a person. The webhook's may be larger: it says so itself. */
const BODY_LIMIT = 1024 * 1024
/** Request line and headers together, so it bounds the address too. VAPI's are some 1 KiB; nginx takes 8 KiB a line. */
const HEADER_BYTES_MAX = 16 * 1024
/** Headers are small and come at once. */
const HEADERS_DEADLINE_MS = 15_000
/**
 * The whole request. A report of 16 MiB gets through on a line of 1.2 Mbit/s, the usual one of 200 KiB on 14 kbit/s;
 * whoever sends a byte now and then is cut off.
 */
const REQUEST_DEADLINE_MS = 120_000
/** How often it is looked for late requests; Node by itself looks every 30 s. */
const LATE_CHECK_MS = 2_000
/**
 * Longer than the 60 s for which load balancers (nginx, AWS, Fly) keep an idle connection: the side that sends must
 * be the first to close, or it sends a request into a connection that is just going away.
 */
const KEEP_ALIVE_MS = 72_000
/** Ids are 36 characters, links of recordings some 120. */
const PARAM_LENGTH_MAX = 256

/** What Fastify is made with: the bounds of a request, before there is a route for it. */
export function serverOptions(
  { trustedProxies }: HttpOptions,
  logger: FastifyServerOptions['logger'] = false,
) {
  return {
    logger,
    // One line a request is our own (request-log.ts).
    logController: new LogController({ disableRequestLogging: true }),
    // Bodies are taken as they are: nothing is dropped or turned into another type.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    // A first start makes a database, and many instances that start together migrate one after the other.
    pluginTimeout: 120_000,
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_DEADLINE_MS,
      connectionsCheckingInterval: LATE_CHECK_MS,
    },
    requestTimeout: REQUEST_DEADLINE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // A function, as Fastify believes nobody where it is given a mere number. The nearest sender is hop 0: the last
    // proxy. So many addresses of X-Forwarded-For are taken from its end; what a client wrote before is not read.
    trustProxy: trustedProxies > 0 && ((_address: string, hop: number) => hop < trustedProxies),
    // What comes on an open connection while the server closes is still served; a 503 would end a caller's call.
    return503OnClosing: false,
    frameworkErrors: refuse,
    clientErrorHandler: refuseUnparsed,
  } satisfies FastifyServerOptions & { http: object }
}

const PROBLEM = 'application/problem+json; charset=utf-8'

const problem = (status: number, code: string, title: string, requestId?: string) =>
  JSON.stringify({ type: 'about:blank', title, status, code, requestId })

/** Addresses that no route can be looked up for. They are not repeated: they may hold anything. */
function refuse(error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
  const status = error.statusCode ?? 400
  void reply
    .code(status)
    .type(PROBLEM)
    .send(problem(status, error.code, 'The address is not valid.', request.id))
}

const UNPARSED: Readonly<Record<string, readonly [status: number, code: string, title: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'REQUEST_TIMEOUT', 'The request did not arrive in time.'],
  HPE_HEADER_OVERFLOW: [431, 'HEADERS_TOO_LARGE', 'Address and headers are too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'CHUNKS_TOO_LARGE', 'The chunk extensions are too large.'],
}
const MALFORMED = [400, 'MALFORMED_REQUEST', 'This is not a valid HTTP request.'] as const

/** What Node's parser refuses, or waited for in vain. Nothing of it is known for sure, so the connection ends. */
function refuseUnparsed(error: ConnectionError, socket: Socket) {
  const { _httpMessage: answering } = socket as Socket & { _httpMessage?: { headersSent: boolean } }
  // In the middle of an answer there is no room for another one.
  if (socket.writable && error.code !== 'ECONNRESET' && !answering?.headersSent) {
    const [status, code, title] = UNPARSED[error.code] ?? MALFORMED
    const body = problem(status, code, title)
    socket.write(
      [
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
        `content-type: ${PROBLEM}`,
        `content-length: ${Buffer.byteLength(body)}`,
        'connection: close',
        '',
        body,
      ].join('\r\n'),
    )
  }
  socket.destroy(error)
}
