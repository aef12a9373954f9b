import type { Static } from '@sinclair/typebox'
import { contactReply, fullName, normalPhone } from './contact-book.ts'
import type { searchBody, searchFilter } from './contact-schemas.ts'
import { unprocessable } from './errors.ts'
import type { LocationState, SandboxContact } from './records.ts'

type Filter = Static<typeof searchFilter>
type Shown = Record<string, unknown>

const FIELDS = new Set([
  ...['id', 'firstName', 'lastName', 'contactName', 'email', 'phone', 'tags', 'source', 'type', 'dnd'],
  ...['firstNameLowerCase', 'lastNameLowerCase', 'fullNameLowerCase', 'companyName', 'address1', 'city'],
  ...['state', 'country', 'postalCode', 'website', 'timezone', 'assignedTo', 'dateAdded', 'dateUpdated'],
])

const fold = (field: string, value: unknown): string =>
  field === 'phone' ? normalPhone(String(value)) : String(value).toLowerCase()

function valuesOf(shown: Shown, field: string): string[] {
  const value = shown[field]
  if (value === undefined || value === null) return []
  return (Array.isArray(value) ? value : [value]).map((each) => fold(field, each))
}

function inRange(field: string, values: string[], range: unknown): boolean {
  if (typeof range !== 'object' || range === null) throw unprocessable(`${field} range must be an object`)
  const limits = Object.entries(range).map(([edge, limit]) => [edge, fold(field, limit)] as const)
  return values.some((value) =>
    limits.every(([edge, limit]) => {
      if (edge === 'gt') return value > limit
      if (edge === 'gte') return value >= limit
      if (edge === 'lt') return value < limit
      if (edge === 'lte') return value <= limit
      throw unprocessable(`${field} range property ${edge} should not exist`)
    }),
  )
}

function passes(shown: Shown, filter: Filter): boolean {
  if (filter.group !== undefined) {
    const parts = filter.filters ?? []
    return filter.group === 'AND'
      ? parts.every((part) => passes(shown, part))
      : parts.some((part) => passes(shown, part))
  }
  const { field, operator, value } = filter
  if (field === undefined || operator === undefined)
    throw unprocessable('filters need a field and an operator')
  if (!FIELDS.has(field)) throw unprocessable(`filters: ${field} is not a field that can be searched`)
  const values = valuesOf(shown, field)
  const wanted = (Array.isArray(value) ? value : [value]).map((each) => fold(field, each))
  switch (operator) {
    case 'eq':
      return wanted.some((each) => values.includes(each))
    case 'not_eq':
      return !wanted.some((each) => values.includes(each))
    case 'contains':
      return wanted.some((each) => values.some((have) => have.includes(each)))
    case 'not_contains':
      return !wanted.some((each) => values.some((have) => have.includes(each)))
    case 'exists':
      return values.length > 0
    case 'not_exists':
      return values.length === 0
    case 'range':
      return inRange(field, values, value)
  }
}

const millisOf = (contact: SandboxContact): number =>
  Temporal.Instant.from(contact.dateAdded).epochMilliseconds

/** The answer to POST /contacts/search; newest first unless sorted otherwise. Writes are visible at once. */
export function searchContacts(location: LocationState, body: Static<typeof searchBody>) {
  const { pageLimit, page = 1, filters = [], sort = [], searchAfter } = body
  const query = body.query?.toLowerCase()
  const found = location.contacts
    .toReversed()
    .map(
      (contact): Shown => ({
        ...contactReply(contact),
        contactName: fullName(contact),
        searchAfter: [millisOf(contact), contact.id],
      }),
    )
    .filter((shown) => filters.every((filter) => passes(shown, filter)))
    .filter(
      (shown) =>
        query === undefined ||
        ['contactName', 'email', 'phone'].some((field) =>
          String(shown[field] ?? '')
            .toLowerCase()
            .includes(query),
        ),
    )
  for (const { field, direction } of sort.toReversed()) {
    const sign = direction === 'asc' ? 1 : -1
    found.sort((a, b) => sign * String(a[field] ?? '').localeCompare(String(b[field] ?? '')))
  }
  const after = searchAfter === undefined ? -1 : found.findIndex((shown) => shown.id === searchAfter.at(-1))
  const start = searchAfter === undefined ? (page - 1) * pageLimit : after + 1
  return { contacts: found.slice(start, start + pageLimit), total: found.length }
}
