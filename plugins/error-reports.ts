import type { ErrorEvent, Exception } from '@sentry/core'
import fp from 'fastify-plugin'
import { Agent, request } from 'undici'
import { isDatabaseAway } from '../services/database/away.ts'
import type { ErrorTap } from '../services/error-tap.ts'
import { AppError } from '../services/errors.ts'
import { createLru } from '../services/lru.ts'
import { RELEASE, ROOT } from '../services/release.ts'
import { wordingOf } from '../services/scrub.ts'

export interface ErrorReportsPluginOptions {
  /** Where to; undefined: nothing is sent, and nothing loaded for it. */
  dsn: string | undefined
  /** What the logger is told as an error. */
  tap: ErrorTap
  environment: string
}

/** Different errors reported in a minute; the same one is reported once in it. */
const PER_MINUTE = 20
const MINUTE_MS = 60_000
const SEND_DEADLINE_MS = 3_000
const CAUSES_MAX = 5
const FRAMES_MAX = 40

/**
 * Whatever is logged as an error together with its error is sent to a Sentry-compatible server, unless it is a kind
 * of failure that is known: those of the catalogue, and a database that is away, which metrics tell better.
 *
 * Of an error its class goes, its stack, and the wording of its message; of what it was about the ids of client and
 * call, and the operation. No numbers, names, bodies, addresses or headers, and nothing of this machine.
 */
export default fp<ErrorReportsPluginOptions>(
  async (app, { dsn, tap, environment }) => {
    if (!dsn) return
    const [{ createStackParser, createTransport }, { nodeStackLineParser, ServerRuntimeClient }] =
      await Promise.all([import('@sentry/core'), import('@sentry/core/server')])
    const dispatcher = new Agent({ connections: 2, connect: { timeout: SEND_DEADLINE_MS } })
    const stackParser = createStackParser(nodeStackLineParser())
    const client = new ServerRuntimeClient({
      dsn,
      release: `${RELEASE.name}@${RELEASE.version}`,
      environment,
      stackParser,
      integrations: [],
      sendClientReports: false,
      traceLifecycle: 'static',
      beforeSend: onlyWhatIsSafe,
      transport: (options) =>
        createTransport(options, async ({ body }) => {
          const {
            statusCode,
            headers,
            body: answer,
          } = await request(options.url, {
            ...{ method: 'POST', dispatcher, body },
            signal: AbortSignal.timeout(SEND_DEADLINE_MS),
          })
          await answer.dump()
          const one = (name: string) => [headers[name]].flat()[0] ?? null
          return {
            statusCode,
            headers: {
              'x-sentry-rate-limits': one('x-sentry-rate-limits'),
              'retry-after': one('retry-after'),
            },
          }
        }),
    })
    client.init()

    const exceptionOf = (error: Error): Exception => ({
      type: error.name,
      value: error.message,
      stacktrace: { frames: stackParser(error.stack ?? '').slice(-FRAMES_MAX) },
    })
    const recent = createLru<true>(PER_MINUTE, { ttl: MINUTE_MS })
    tap.onError = ({ err, ...facts }, message) => {
      if (!(err instanceof Error) || err instanceof AppError || isDatabaseAway(err)) return
      const key = `${err.name} ${err.stack?.split('\n').find((line) => /^\s+at /.test(line))}`
      recent.purgeStale()
      if (recent.has(key) || recent.size >= PER_MINUTE) return
      recent.set(key, true)
      const tags = Object.fromEntries(
        TAGS.flatMap((name) => (typeof facts[name] === 'string' ? [[name, facts[name]]] : [])),
      )
      client.captureEvent({
        level: 'error',
        // The outermost last, as the protocol has it.
        exception: { values: chainOf(err).map(exceptionOf).reverse() },
        tags: { ...tags, what: message },
      })
    }
    app.addHook('onClose', async () => {
      await client.close(SEND_DEADLINE_MS)
      await dispatcher.destroy()
    })
  },
  { name: 'error-reports' },
)

/** What of a log line's facts is told; each is an id or one of a few known words. */
const TAGS = ['operation', 'client', 'call', 'tool', 'queue', 'job', 'code'] as const

function chainOf(error: Error): Error[] {
  const chain = [error]
  while (chain.length < CAUSES_MAX) {
    const cause = chain.at(-1)?.cause
    if (!(cause instanceof Error) || chain.includes(cause)) break
    chain.push(cause)
  }
  return chain
}

/** The last word: whatever the SDK has gathered by itself, only this leaves the house. */
function onlyWhatIsSafe(event: ErrorEvent): ErrorEvent {
  const { event_id, timestamp, platform, level, release, environment, exception, tags } = event
  const values = (exception?.values ?? []).map(({ type, value, stacktrace }) => ({
    type: /^\w{1,60}$/.test(type ?? '') ? type : 'Error',
    value: wordingOf(value ?? ''),
    stacktrace: {
      frames: (stacktrace?.frames ?? []).map(
        ({ filename, function: name, lineno, colno, in_app, module }) => ({
          ...{ filename: filename && withoutPlace(filename), function: name, lineno, colno, in_app, module },
        }),
      ),
    },
  }))
  return {
    ...{ event_id, timestamp, platform, level, release, environment, type: undefined },
    exception: { values },
    tags: Object.fromEntries(Object.entries(tags ?? {}).map(([name, value]) => [name, tagOf(String(value))])),
  } as ErrorEvent
}

/** Where this server lies on its machine is nobody's business. */
const withoutPlace = (filename: string) => filename.replace(/^file:\/\//, '').replace(`${ROOT}/`, '/')

/** A UUID as it is; of anything else the wording. */
const tagOf = (value: string) =>
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value) ? value : wordingOf(value)
