export type FindingStatus = 'ok' | 'warning' | 'failed' | 'skipped'

/** What was found out about one thing that must be right. Holds no secret: it is for people. */
export interface Finding {
  /** Names the thing; the same at each check. */
  item: string
  status: FindingStatus
  detail: string
  /** How to mend it; null where there is nothing to mend. */
  remedy: string | null
}

export const ok = (item: string, detail: string): Finding => ({ item, status: 'ok', detail, remedy: null })

/** It could not be looked at, for a reason that another finding is about. */
export const skipped = (item: string, detail: string, remedy: string | null = null): Finding => ({
  item,
  status: 'skipped',
  detail,
  remedy,
})

/** It works, but not as well as it could. */
export const warning = (item: string, detail: string, remedy: string): Finding => ({
  item,
  status: 'warning',
  detail,
  remedy,
})

export const failed = (item: string, detail: string, remedy: string): Finding => ({
  item,
  status: 'failed',
  detail,
  remedy,
})
