import {
  type CalendarSeed,
  type CrmSandbox,
  type CrmSandboxOptions,
  type LocationSeed,
  startCrmSandbox,
} from '../../sandbox/crm/server.ts'

/** Noon UTC on a Thursday; the sandbox's clock stands still unless a test moves it. */
export const NOW = Temporal.Instant.from('2026-08-20T12:00:00Z')

export const CONTACTS = '2021-07-28'
export const CALENDARS = '2021-04-15'

export const weekdays = { days: [1, 2, 3, 4, 5], from: '09:00', to: '12:00' }

export const calendar = (seed: Partial<CalendarSeed> = {}): CalendarSeed => ({
  id: 'CAL1',
  slotMinutes: 30,
  openHours: [weekdays],
  ...seed,
})

export const location = (seed: Partial<LocationSeed> = {}): LocationSeed => ({
  id: 'LOC1',
  token: 'pit-one',
  timezone: 'America/Vancouver',
  calendars: [calendar()],
  ...seed,
})

interface Listed {
  id: string
  body: string
}

/** What the tests read off replies by name; the assertions, not this type, say whether it is there. */
export interface Reply {
  id: string
  statusCode: number
  message: unknown
  traceId: string
  new: boolean
  succeeded: boolean
  contact: { id: string; phone: string; tags: string[]; customFields: object[] }
  contacts: Listed[]
  tags: string[]
  note: Listed
  notes: Listed[]
  task: Listed
  tasks: Listed[]
  calendar: object
  calendars: object[]
  location: object
  appointment: { groupId: string }
  assignedUserId: string
  events: object[]
  conversationId: string
  length: number
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  body: Reply
}

export interface Call {
  body?: unknown
  token?: string
  /** null leaves the header out. */
  version?: string | null
  headers?: Record<string, string>
}

export async function call(url: string, method: string, path: string, options: Call = {}): Promise<Answer> {
  const family = /^\/(calendars|conversations)/.test(path) ? CALENDARS : CONTACTS
  const version = options.version === undefined ? family : options.version
  const { body } = options
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${options.token ?? 'pit-one'}`,
      ...(version === null ? {} : { version }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: parsed(text) as Reply }
}

/** Text when it is not JSON: some faults answer with a page. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The slots of a free-slots reply, by day. */
export function slotsOf(answer: Answer): Record<string, string[]> {
  const { traceId: _traceId, ...days } = JSON.parse(answer.text) as Record<string, { slots: string[] }>
  return Object.fromEntries(Object.entries(days).map(([day, value]) => [day, value.slots]))
}

export interface Bench {
  crm: CrmSandbox
  get(path: string, options?: Call): Promise<Answer>
  post(path: string, body: unknown, options?: Call): Promise<Answer>
  put(path: string, body: unknown, options?: Call): Promise<Answer>
  del(path: string, body?: unknown, options?: Call): Promise<Answer>
}

/** A sandbox that closes with the test, and short ways to call it. */
export async function bench(
  t: { teardown(fn: () => Promise<void>): void },
  options: CrmSandboxOptions = {},
): Promise<Bench> {
  const crm = await startCrmSandbox({
    now: () => NOW,
    locations: [location()],
    rateLimit: { max: 10_000, perMs: 10_000 },
    ...options,
  })
  t.teardown(() => crm.close())
  return {
    crm,
    get: (path, rest) => call(crm.url, 'GET', path, rest),
    post: (path, body, rest) => call(crm.url, 'POST', path, { body, ...rest }),
    put: (path, body, rest) => call(crm.url, 'PUT', path, { body, ...rest }),
    del: (path, body, rest) => call(crm.url, 'DELETE', path, { body, ...rest }),
  }
}

export async function newContact(
  b: Bench,
  fields: Record<string, unknown> = {},
  options?: Call,
): Promise<string> {
  const body = { locationId: 'LOC1', firstName: 'Ann', lastName: 'Lee', phone: '+12505550188', ...fields }
  const answer = await b.post('/contacts/upsert', body, options)
  return answer.body.contact.id
}

const millis = (time: string) => Temporal.Instant.from(time).epochMilliseconds

export const slotsPath = (id: string, from: string, to: string, zone?: string): string =>
  `/calendars/${id}/free-slots?startDate=${millis(from)}&endDate=${millis(to)}` +
  (zone === undefined ? '' : `&timezone=${encodeURIComponent(zone)}`)
