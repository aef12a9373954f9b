import type { Findings } from './audit.ts'
import type { Cluster } from './cluster.ts'

/** What a scenario is given by the suite. */
export interface Stage {
  /** One PostgreSQL for all scenarios that leave the server itself alone; each has a database of its own. */
  cluster: Cluster
  /** The breaking is over: the next scenario may begin while this one waits for everything to arrive. */
  calm(): void
}

export interface Scenario {
  name: string
  /** What is broken, in the words of the table. */
  title: string
  /** Why it cannot be run here; undefined if it can. */
  missing?: () => string | undefined
  run(stage: Stage): Promise<Findings & { remark?: string }>
}

/** Adds an objection for each expectation that does not hold. */
export function expecting(findings: Findings, expectations: Record<string, boolean>): Findings {
  const failed = Object.entries(expectations).flatMap(([what, holds]) => (holds ? [] : [`not so: ${what}`]))
  return { ...findings, objections: [...findings.objections, ...failed] }
}
