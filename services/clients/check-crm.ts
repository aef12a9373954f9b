import { type Finding, failed, ok, skipped, warning } from '../findings.ts'
import type { GhlAccount } from '../ghl/api.ts'
import type { Clock } from '../time.ts'
import type { Client } from './client.ts'
import { kindOf, type Outcome, readItem, SCOPES, settled, UNREAD, unread, WHERE } from './crm-reads.ts'

/** How far ahead a calendar must offer something. */
const SLOT_DAYS = 14

/**
 * Tries a client's account in the CRM: everything is read at once, and nothing is written, so the scopes for writing
 * are asked for together with those for reading and cannot be told apart.
 */
export async function checkCrm(client: Client, account: GhlAccount, clock: Clock): Promise<Finding[]> {
  const { calendarId } = client.crm
  const zone = client.timezone
  const now = clock()
  const from = now.toZonedDateTimeISO(zone ?? 'UTC').toPlainDate()
  const [location, contacts, calendar, events, slots, conversations] = await Promise.all([
    settled(account.inspection.location()),
    // Nobody calls from the number that is called.
    settled(account.contacts.byPhone(client.number)),
    calendarId ? settled(account.inspection.calendar()) : undefined,
    calendarId ? settled(account.calendars.events(now, now.add({ hours: 24 }))) : undefined,
    calendarId && zone
      ? settled(account.calendars.freeSlots(from, from.add({ days: SLOT_DAYS - 1 }), zone))
      : undefined,
    settled(account.inspection.conversations()),
  ])
  const reads = [location, contacts, calendar, events, slots, conversations].filter(
    (read) => read !== undefined,
  )

  return [
    tokenItem(reads),
    locationItem(client, location, contacts),
    zoneItem(client, location),
    readItem('contacts', contacts, SCOPES.contacts, 'Contacts can be read.'),
    calendarItem(client, calendar),
    events
      ? readItem('calendar-events', events, SCOPES.events, 'Appointments can be read.')
      : skipped('calendar-events', 'There is no calendar.'),
    slotItem(client, slots),
    // Only text messages need it.
    softened(readItem('conversations', conversations, SCOPES.conversations, 'Conversations can be read.')),
  ]
}

const softened = (found: Finding): Finding =>
  found.status === 'failed' ? { ...found, status: 'warning' } : found

/** A token that any read got through with is accepted, whatever others lack. */
function tokenItem(reads: readonly Outcome<unknown>[]): Finding {
  const kinds = reads.map((read) => ('value' in read ? 'ok' : kindOf(read.error)))
  if (kinds.some((kind) => ['ok', 'scope', 'foreign', 'missing', 'refused'].includes(kind)))
    return ok('token', 'The CRM accepts the token.')
  if (kinds.includes('token'))
    return failed(
      'token',
      UNREAD.token[0],
      `${WHERE} Make a new token, and store it: npm run clients -- set <client> --ghl-token -`,
    )
  if (kinds.includes('paused')) return failed('token', ...UNREAD.paused)
  return failed('token', ...UNREAD[kinds.includes('limited') ? 'limited' : 'unanswered'])
}

function locationItem(
  { crm }: Client,
  location: Outcome<{ name: string | undefined }>,
  contacts: Outcome<unknown>,
): Finding {
  if ('value' in location)
    return ok(
      'location',
      `The token belongs to the location${location.value.name ? ` "${location.value.name}"` : ''}.`,
    )
  const kind = kindOf(location.error)
  if (kind === 'scope') {
    // Contacts are asked for by location as well, so they tell the same.
    return 'value' in contacts
      ? ok('location', 'The token belongs to the location.')
      : unread('location', location.error, SCOPES.location)
  }
  if (kind === 'foreign')
    return failed(
      'location',
      `The token is not for the location ${crm.locationId}.`,
      'Set location_id to the location where the token was made, or store a token of this location.',
    )
  if (kind === 'missing')
    return failed(
      'location',
      `There is no location ${crm.locationId}.`,
      'Set location_id: in GoHighLevel it stands under Settings, Business Profile.',
    )
  return unread('location', location.error, SCOPES.location)
}

function zoneItem(client: Client, location: Outcome<{ timezone: string | undefined }>): Finding {
  if (!client.timezone)
    return failed(
      'timezone',
      'The client has no usable time zone.',
      'Set timezone, such as America/Vancouver.',
    )
  if (!('value' in location)) {
    return kindOf(location.error) === 'scope'
      ? skipped('timezone', `The location's zone cannot be read without the scope ${SCOPES.location}.`)
      : skipped('timezone', 'The location could not be read.')
  }
  const theirs = location.value.timezone
  if (!theirs) return skipped('timezone', 'The location names no time zone.')
  if (sameZone(client.timezone, theirs)) return ok('timezone', `Both are in ${client.timezone}.`)
  return warning(
    'timezone',
    `The client is in ${client.timezone}, its location in ${theirs}.`,
    'Callers are told times in the zone of the client: set timezone to the one that is right, here or in GoHighLevel.',
  )
}

/** Two names may stand for one zone, as US/Pacific and America/Los_Angeles. */
function sameZone(a: string, b: string): boolean {
  const at = Temporal.Instant.fromEpochMilliseconds(0)
  return at.toZonedDateTimeISO(a).equals(at.toZonedDateTimeISO(b))
}

function calendarItem(
  { crm }: Client,
  calendar:
    | Outcome<{ name: string | undefined; locationId: string | undefined; active: boolean }>
    | undefined,
): Finding {
  if (!calendar)
    return warning(
      'calendar',
      'There is no calendar: the receptionist takes messages and books nothing.',
      'Set calendar_id to a calendar of the location.',
    )
  if ('value' in calendar) {
    const { active, locationId, name } = calendar.value
    if (locationId && locationId !== crm.locationId)
      return failed(
        'calendar',
        'The calendar belongs to another location.',
        "Set calendar_id to one of the client's location.",
      )
    return active
      ? ok('calendar', `The calendar${name ? ` "${name}"` : ''} is active.`)
      : failed(
          'calendar',
          'The calendar is switched off.',
          'Switch it on in GoHighLevel, or set another calendar_id.',
        )
  }
  const kind = kindOf(calendar.error)
  if (kind === 'missing' || kind === 'foreign')
    return failed(
      'calendar',
      kind === 'missing'
        ? `There is no calendar ${crm.calendarId}.`
        : 'The calendar belongs to another location.',
      "Set calendar_id to one of the client's location: in GoHighLevel under Settings, Calendars.",
    )
  return unread('calendar', calendar.error, SCOPES.calendars)
}

function slotItem(client: Client, slots: Outcome<readonly unknown[]> | undefined): Finding {
  if (!slots)
    return skipped('free-slots', client.timezone ? 'There is no calendar.' : 'There is no time zone.')
  if (!('value' in slots)) {
    const kind = kindOf(slots.error)
    return kind === 'missing' || kind === 'foreign'
      ? skipped('free-slots', 'The calendar cannot be used.')
      : unread('free-slots', slots.error, SCOPES.calendars)
  }
  const count = slots.value.length
  return count > 0
    ? ok('free-slots', `${count} free times in the next ${SLOT_DAYS} days.`)
    : warning(
        'free-slots',
        `No free times in the next ${SLOT_DAYS} days.`,
        'See the opening hours, the team and the notice of the calendar in GoHighLevel.',
      )
}
