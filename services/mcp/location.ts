import { invalid } from '../errors.ts'
import { parseJson } from '../upstream.ts'

/** Deeper than any argument of a CRM tool, and no danger to the stack. */
const DEPTH_MAX = 32

/**
 * The names by which the CRM knows whose account is meant, without their case and punctuation: GHL's tools write
 * `locationId`, `query_locationId`, `body_location_id`; payments say `altId` with an `altType`; a location is a
 * "sub-account" on screen. A calendar's `meetingLocationId` is a place to meet.
 */
const ACCOUNT = /(?<!meeting)locationids?$|subaccountids?$|^(?:path|query|body|headers?)*altids?$/
const ALT_TYPE = /^(?:path|query|body|headers?)*alttype$/
/** A bare `location` may be an address as well; an id has 20 letters and digits. */
const PLACE = /^(?:path|query|body|headers?)*(?:location|subaccount)s?$/
const ID = /^[A-Za-z0-9]{20}$/

const bare = (name: string) => name.replace(/[^\p{L}\p{N}]/gu, '').toLowerCase()

/** Whether an argument of this name says which account is meant, and nothing else. */
export function namesLocation(name: string): boolean {
  const text = bare(name)
  return ACCOUNT.test(text) || ALT_TYPE.test(text)
}

/** What stands for the client's account in an argument of this name. */
export function locationFor(name: string, locationId: string): unknown {
  return ALT_TYPE.test(bare(name)) ? 'location' : locationId
}

/**
 * A copy of a tool's arguments in which everything that says whose account is meant says this client's, however it
 * is written, however deep, also within JSON that travels as text.
 * @throws AppError INVALID_INPUT for arguments nested beyond all use
 */
export function withOwnLocation(value: unknown, locationId: string, depth = 0): unknown {
  if (depth > DEPTH_MAX) throw invalid('arguments', 'The arguments are nested too deeply.')
  if (typeof value === 'string') return withinText(value, locationId, depth)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((item) => withOwnLocation(item, locationId, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, ownValue(name, inner, locationId, depth)]),
  )
}

function ownValue(name: string, inner: unknown, locationId: string, depth: number): unknown {
  if (namesLocation(name)) {
    const own = locationFor(name, locationId)
    return Array.isArray(inner) ? [own] : own
  }
  if (PLACE.test(bare(name))) {
    if (typeof inner === 'string' && ID.test(inner)) return locationId
    if (Array.isArray(inner) && inner.some((item) => typeof item === 'string' && ID.test(item)))
      return [locationId]
    if (typeof inner === 'object' && inner !== null && 'id' in inner)
      return withOwnLocation({ ...inner, id: locationId }, locationId, depth + 1)
  }
  return withOwnLocation(inner, locationId, depth + 1)
}

function withinText(text: string, locationId: string, depth: number): string {
  if (!/^\s*[[{]/.test(text)) return text
  const inner = parseJson(text)
  return inner === undefined ? text : JSON.stringify(withOwnLocation(inner, locationId, depth + 1))
}
