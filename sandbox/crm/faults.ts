export interface FaultMatch {
  method?: string
  /** A RegExp, or a path where `*` stands for anything. The query string is not part of it. */
  path?: RegExp | string
  locationId?: string
}

export type FaultKind =
  | { type: 'delay'; ms: number }
  | { type: 'status'; status: number; body?: unknown; headers?: Record<string, string> }
  | { type: 'hang' }
  | { type: 'drop-before' }
  | { type: 'drop-after-commit' }
  | { type: 'rate-limit'; retryAfterSeconds: number }
  | { type: 'garbage' }

export interface Fault {
  match?: FaultMatch
  /** How many requests it spoils before it is spent; without it, all until removed. */
  times?: number
  kind: FaultKind
}

export interface Target {
  method: string
  path: string
  locationId: string | undefined
}

export type Trouble = Exclude<FaultKind, { type: 'delay' }>

interface Installed {
  id: string
  fault: Fault
  left: number
}

function pathMatches(wanted: RegExp | string, path: string): boolean {
  if (typeof wanted === 'string') {
    const source = wanted.split('*').map((part) => RegExp.escape(part))
    return new RegExp(`^${source.join('.*')}$`).test(path)
  }
  // A global or sticky RegExp remembers where it stopped; the answer must not depend on earlier requests.
  wanted.lastIndex = 0
  return wanted.test(path)
}

function matches(match: FaultMatch = {}, target: Target): boolean {
  return (
    (match.method === undefined || match.method.toUpperCase() === target.method) &&
    (match.path === undefined || pathMatches(match.path, target.path)) &&
    (match.locationId === undefined || match.locationId === target.locationId)
  )
}

/** The switchboard of faults. Delays add up; of the others the one installed first strikes. */
export function createFaults() {
  const installed = new Map<string, Installed>()
  let count = 0

  const spend = (entry: Installed) => {
    entry.left -= 1
    if (entry.left <= 0) installed.delete(entry.id)
  }

  return {
    install(fault: Fault): string {
      count += 1
      const id = String(count)
      const left = fault.times ?? Number.POSITIVE_INFINITY
      if (left > 0) installed.set(id, { id, fault, left })
      return id
    },
    remove: (id: string): boolean => installed.delete(id),
    clear: (): void => installed.clear(),
    list: (): { id: string; left: number; fault: Fault }[] =>
      [...installed.values()].map(({ id, left, fault }) => ({ id, left, fault })),
    take(target: Target): { delayMs: number; trouble: Trouble | undefined } {
      let delayMs = 0
      let trouble: Trouble | undefined
      for (const entry of [...installed.values()]) {
        if (!matches(entry.fault.match, target)) continue
        const { kind } = entry.fault
        if (kind.type === 'delay') {
          delayMs += kind.ms
          spend(entry)
        } else if (trouble === undefined) {
          trouble = kind
          spend(entry)
        }
      }
      return { delayMs, trouble }
    },
  }
}

export type Faults = ReturnType<typeof createFaults>
