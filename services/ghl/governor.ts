import type { Lanes, Priority } from '../lanes.ts'
import { type Held, NotSent, UpstreamError } from '../upstream.ts'
import type { Budget } from './budget.ts'
import type { Account, GhlTokens } from './tokens.ts'

/** Which of GHL's doors: each has a lane of its own for every client. */
export type Door = 'rest' | 'mcp'

/** Whose request it is, and how long whoever asks will wait. */
export interface Errand extends Account {
  readonly locationId: string
  readonly signal: AbortSignal
  /** Default: live. */
  readonly priority?: Priority | undefined
}

export interface GovernorOptions {
  lanes: Record<Door, Pick<Lanes, 'run'>>
  budget: Budget
  tokens: Pick<GhlTokens, 'of' | 'instead' | 'giveUp' | 'accepted'>
  /** Told of each request that was held back. */
  onHeld?: (door: Door, reason: Held) => void
}

/**
 * What every request to GHL passes on its way, whichever door it goes to: the client's credential, the client's lane,
 * and the location's budget. A credential that is refused is renewed and the request repeated, once.
 */
export function createGovernor({ lanes, budget, tokens, onHeld }: GovernorOptions) {
  type Work<T> = (token: string) => Promise<T>

  async function send<T>(door: Door, errand: Errand, operation: string, work: Work<T>): Promise<T> {
    const { clientId, signal, priority = 'live' } = errand
    // Without a location the limit is the client's own.
    const locationId = errand.locationId || clientId
    const turn = { locationId, priority, operation, signal }
    const passage = { key: clientId, priority, operation, signal, admitted: () => budget.turn(turn) }
    const attempt = (token: string) =>
      lanes[door]
        .run(passage, () => work(token))
        .catch((error: unknown) => {
          if (isOfGhl(error) && error.status === 429) budget.exhausted(locationId, error.retryAfterSeconds)
          throw error
        })

    const credential = await tokens.of(errand, operation, signal)
    try {
      const value = await attempt(credential.token)
      if (credential.onTrial) await tokens.accepted(errand)
      return value
    } catch (error) {
      // What GHL's MCP server makes of a token says nothing about the API, where bookings are made.
      if (door === 'mcp' || !isRefusedCredential(error)) throw error
      const other = await tokens.instead(errand, credential, operation, signal)
      if (!other) throw error
      return attempt(other.token).catch(async (again: unknown) => {
        if (isRefusedCredential(again)) await tokens.giveUp(errand, other)
        throw again
      })
    }
  }

  return {
    /**
     * Has `work` send one request with the token it is handed.
     * @throws NotSent if it was held back; else what `work` throws
     */
    async send<T>(door: Door, errand: Errand, operation: string, work: Work<T>): Promise<T> {
      try {
        return await send(door, errand, operation, work)
      } catch (error) {
        if (error instanceof NotSent) onHeld?.(door, error.held)
        throw error
      }
    },
  }
}

export type Governor = ReturnType<typeof createGovernor>

const isOfGhl = (error: unknown): error is UpstreamError =>
  error instanceof UpstreamError && !(error instanceof NotSent)

/** GHL says 401 as well where a token lacks a scope, or a version is not to its liking: then no other token helps. */
const OF_THE_REQUEST = /scope|version/i

function isRefusedCredential(error: unknown): boolean {
  if (!isOfGhl(error) || error.status !== 401) return false
  const { message } = (error.body ?? {}) as { message?: unknown }
  return !OF_THE_REQUEST.test(String(message))
}
