import { SourceUnavailable } from '../cache.ts'
import { DatabaseTimeout } from './pool.ts'

/** Codes of PostgreSQL and of its driver that mean: not now. A constraint violation is not among them. */
const AWAY =
  /^(08|57P|53|25006)|^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH)/

/** Whether an error says no more than that the database cannot be reached, or takes nothing right now. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof DatabaseTimeout || error instanceof SourceUnavailable) return true
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && AWAY.test(code)
}
