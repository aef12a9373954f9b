import type { CalendarSeed } from './seeds.ts'
import type { Booking } from './slots.ts'

export interface SandboxNote {
  id: string
  contactId: string
  body: string
  title?: string
  userId?: string
  color?: string
  pinned?: boolean
  dateAdded: string
}

export interface SandboxTask {
  id: string
  contactId: string
  title: string
  body?: string
  dueDate: string
  completed: boolean
  assignedTo?: string
}

export interface SandboxMessage {
  id: string
  conversationId: string
  contactId: string
  type: string
  message?: string
  subject?: string
  html?: string
  status: string
  dateAdded: string
  [other: string]: unknown
}

export interface SandboxContact {
  id: string
  locationId: string
  type: string
  firstName?: string
  lastName?: string
  email?: string
  phone?: string
  address1?: string
  city?: string
  state?: string
  country?: string
  postalCode?: string
  website?: string
  companyName?: string
  timezone?: string
  source?: string
  gender?: string
  dateOfBirth?: string
  assignedTo?: string
  dnd: boolean
  dndSettings?: Record<string, { status: string; message?: string; code?: string }>
  inboundDndSettings?: Record<string, { status: string; message?: string }>
  tags: string[]
  customFields: { id: string; value: string }[]
  notes: SandboxNote[]
  tasks: SandboxTask[]
  messages: SandboxMessage[]
  dateAdded: string
  dateUpdated: string
}

export interface SandboxAppointment {
  id: string
  calendarId: string
  locationId: string
  contactId: string
  groupId: string
  title: string
  appointmentStatus: string
  assignedUserId?: string
  users: string[]
  /** With the offset of the calendar's zone. */
  startTime: string
  endTime: string
  description?: string
  address?: string
  meetingLocationType?: string
  meetingLocationId?: string
  rrule?: string
  /** What the last write said: whether GoHighLevel's own reminders and workflows would run. */
  toNotify: boolean
  dateAdded: string
  dateUpdated: string
}

export type LedgerKind =
  | 'contact.created'
  | 'contact.updated'
  | 'contact.deleted'
  | 'note.created'
  | 'note.updated'
  | 'note.deleted'
  | 'tag.added'
  | 'tag.removed'
  | 'task.created'
  | 'appointment.created'
  | 'appointment.updated'
  | 'appointment.deleted'
  | 'message.sent'

export interface LedgerEntry {
  readonly at: string
  readonly locationId: string
  readonly kind: LedgerKind
  /** Of the object written: the note's id for a note, the contact's for tags. */
  readonly id: string
  /** The object as it was after this write; later writes do not change it. */
  readonly data: unknown
}

export interface CalendarState extends CalendarSeed {
  name: string
  locationId: string
  timezone: string
  groupId: string
  teamUserIds: string[]
  /** Appointments that hold their time, by id: all but cancelled and deleted ones. */
  bookings: Map<string, Booking>
}

export interface LocationState {
  id: string
  token: string
  name: string
  timezone: string
  allowDuplicateContacts: boolean
  calendars: CalendarState[]
  contacts: SandboxContact[]
  appointments: SandboxAppointment[]
}
