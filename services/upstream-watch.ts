import type { Dispatcher } from 'undici'

/** The remote systems that are asked. */
export type UpstreamKind = 'ghl' | 'ghl-mcp' | 'vapi'

/** One attempt of one request, as it went over the wire. */
export interface Attempt {
  readonly kind: UpstreamKind
  /** Method and path of known words, such as `GET /contacts/:id`: never an id, never text from outside. */
  readonly operation: string
  /** HTTP status; undefined if there was no answer. */
  readonly status: number | undefined
  readonly outcome: AttemptOutcome
  readonly ms: number
}

/** `timeout`: a deadline passed; `abandoned`: whoever asked no longer waits; `unreachable`: the connection failed. */
export type AttemptOutcome =
  | 'ok'
  | 'unauthorized'
  | 'rate-limited'
  | 'refused'
  | 'failed'
  | 'timeout'
  | 'abandoned'
  | 'unreachable'

/** Told that a request leaves; what it answers is told how it ended. */
export type UpstreamWatcher = (
  begun: Pick<Attempt, 'kind' | 'operation'>,
) => ((call: Attempt) => void) | undefined

/**
 * Has every request of a dispatcher watched: `agent.compose(watching('ghl', watcher))`. It sees what was really sent,
 * repetitions included, whichever part of this server sends it.
 */
export function watching(
  kind: UpstreamKind,
  watcher: UpstreamWatcher,
): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    const operation = `${options.method} ${classOf(options.path)}`
    const end = watcher({ kind, operation })
    if (!end) return dispatch(options, handler)
    const begun = performance.now()
    let status: number | undefined
    let over = false
    const ended = (outcome: AttemptOutcome) => {
      if (over) return
      over = true
      end({ kind, operation, status, outcome, ms: performance.now() - begun })
    }
    return dispatch(options, {
      onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
      onRequestUpgrade: (controller, code, headers, socket) =>
        handler.onRequestUpgrade?.(controller, code, headers, socket),
      onResponseStart(controller, code, headers, text) {
        status = code
        return handler.onResponseStart?.(controller, code, headers, text)
      },
      onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
      onResponseEnd(controller, trailers) {
        ended(outcomeOf(status))
        handler.onResponseEnd?.(controller, trailers)
      },
      onResponseError(controller, error) {
        ended(reasonOf(error))
        handler.onResponseError?.(controller, error)
      },
    })
  }
}

function outcomeOf(status = 0): AttemptOutcome {
  if (status >= 500) return 'failed'
  if (status === 429) return 'rate-limited'
  if (status === 401 || status === 403) return 'unauthorized'
  return status >= 400 ? 'refused' : 'ok'
}

function reasonOf({ name, code }: Error & { code?: unknown }): AttemptOutcome {
  if (name === 'TimeoutError' || String(code).endsWith('_TIMEOUT')) return 'timeout'
  return name === 'AbortError' ? 'abandoned' : 'unreachable'
}

/** The words that the paths of GHL and VAPI are made of. What is not among them is an id, or new here. */
const WORDS = new Set(
  `appointments block-slots calendars call contacts conversations customFields customValues customer-recording duplicate
  events free-slots groups locationToken locations mcp messages mono-recording notes oauth opportunities phone-number
  search stereo-recording tags tasks token upsert users workflow completed`.split(/\s+/),
)

/** A path without its ids and its query: at most six known words, so that there are few of them. */
function classOf(path: string): string {
  const [way = ''] = path.split('?', 1)
  const words = way.split('/', 7).slice(1)
  return `/${words.map((word) => (word === '' || WORDS.has(word) ? word : ':id')).join('/')}`
}
