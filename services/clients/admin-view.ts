import type { ClientView } from '../../schemas/admin.ts'
import { invalid } from '../errors.ts'
import { lastFour } from '../phone.ts'
import type { Secrets } from '../secrets.ts'
import type { ClientRecord } from './admin-repository.ts'
import { toClient } from './client.ts'

/** What is shown and told of a client: to its operators, and to the audit log. */

/** Of a shorter token, four characters would be too much of it. */
const SHOWN_FROM_LENGTH = 12

export function viewOf(
  row: ClientRecord,
  secrets: Pick<Secrets, 'open'>,
  pause?: { reason: string; since: Temporal.Instant },
): ClientView {
  const { problems, crm } = toClient(row, secrets)
  const { ghl_token: _, created_at, updated_at, settings, ...open } = row
  return {
    ...open,
    settings: settings ?? {},
    ghl_token_last4: crm.token.length >= SHOWN_FROM_LENGTH ? crm.token.slice(-4) : null,
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
    problems: pause
      ? [...problems, `paused for CRM work since ${pause.since}: ${pause.reason}`]
      : [...problems],
  }
}

/** Columns whose values may be kept for ever. The settings are texts about people and places: their names only. */
const HARMLESS = ['client_name', 'location_id', 'calendar_id', 'timezone', 'status'] as const

/** For the audit log: whom an entry is about, also once the row is gone. */
export function summaryOf(row: Omit<ClientRecord, 'created_at' | 'updated_at'>): Record<string, unknown> {
  return {
    ...Object.fromEntries(HARMLESS.map((name) => [name, row[name]])),
    twilio_number: lastFour(row.twilio_number),
    settings: Object.keys(row.settings ?? {}),
  }
}

/** For the audit log: which fields a change touched, and of the harmless ones what they were and are. */
export function changesOf(before: ClientRecord, after: ClientRecord): Record<string, unknown> {
  const changed: string[] = []
  const values: Record<string, unknown> = {}
  for (const name of HARMLESS) {
    if (before[name] === after[name]) continue
    changed.push(name)
    values[name] = { from: before[name], to: after[name] }
  }
  if (before.twilio_number !== after.twilio_number) {
    changed.push('twilio_number')
    values.twilio_number = { from: lastFour(before.twilio_number), to: lastFour(after.twilio_number) }
  }
  if (before.ghl_token !== after.ghl_token) changed.push('ghl_token')
  for (const name of new Set([...Object.keys(before.settings ?? {}), ...Object.keys(after.settings)]))
    if (JSON.stringify(before.settings?.[name]) !== JSON.stringify(after.settings[name]))
      changed.push(`settings.${name}`)
  return { changed, values }
}

/** Where the next page of a list goes on. */
export const cursorAfter = ({ client_name, id }: ClientRecord) =>
  Buffer.from(JSON.stringify([client_name.toLowerCase(), id])).toString('base64url')

/** @throws AppError INVALID_INPUT */
export function readCursor(cursor: string): [name: string, id: string] {
  try {
    const [name, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (typeof name === 'string' && isId(String(id))) return [name, id]
  } catch {
    // Then it is none of ours.
  }
  throw invalid('cursor', 'cursor is not the next of a page')
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
export const isId = (text: string): boolean => UUID.test(text)
