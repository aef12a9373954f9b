import { startOfDay, toInstant } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import { type GhlScope, type GhlSend, VERSION } from './transport.ts'

/** A time the calendar offers. */
export interface Slot {
  /** Exactly as GHL wrote it: rewritten, even to the same instant in UTC, GHL has been seen to refuse it. */
  readonly start: string
  readonly at: Temporal.Instant
}

export interface Appointment {
  id: string
  contactId: string | undefined
  /** As GHL wrote it. */
  startTime: string
  endTime?: string | undefined
  title?: string
  status?: string
}

export interface NewAppointment {
  contactId: string
  /** The slot as it was offered. */
  slot: Slot
  endTime: string | undefined
  title: string
  notes?: string | undefined
}

/** GHL answers 422 to a wider range. */
const MAX_RANGE_DAYS = 31

/** The calendar of one client. Callers make sure that it has one. */
export function createCalendars(send: GhlSend, scope: GhlScope) {
  const version = VERSION.calendars
  const calendarId = scope.calendarId ?? ''

  return {
    /** Free times from one day to another, both included, in order. Days begin and end in `zone`. */
    async freeSlots(from: Temporal.PlainDate, to: Temporal.PlainDate, zone: string): Promise<Slot[]> {
      const slots: Slot[] = []
      for (
        let day = from;
        Temporal.PlainDate.compare(day, to) <= 0;
        day = day.add({ days: MAX_RANGE_DAYS - 1 })
      ) {
        const last = day.add({ days: MAX_RANGE_DAYS - 2 })
        const until = Temporal.PlainDate.compare(last, to) < 0 ? last : to
        const answer = await send({
          method: 'GET',
          path: `/calendars/${encodeURIComponent(calendarId)}/free-slots`,
          query: {
            startDate: startOfDay(day, zone).epochMilliseconds,
            endDate: startOfDay(until.add({ days: 1 }), zone).epochMilliseconds - 1,
            timezone: zone,
          },
          version,
        })
        slots.push(...readSlots(answer))
      }
      return slots.sort((a, b) => Temporal.Instant.compare(a.at, b.at))
    },

    /** Length of an appointment in minutes; undefined if the calendar does not say. */
    async slotMinutes(): Promise<number | undefined> {
      const answer = await send({
        method: 'GET',
        path: `/calendars/${encodeURIComponent(calendarId)}`,
        version,
      })
      const calendar = (answer.calendar ?? answer) as Record<string, unknown>
      const duration = Number(calendar.slotDuration)
      if (!Number.isFinite(duration) || duration <= 0) return undefined
      return calendar.slotDurationUnit === 'hours' ? duration * 60 : duration
    },

    /** Books a slot. @throws UpstreamError with status 400 if it has been taken meanwhile. */
    async book({ contactId, slot, endTime, title, notes }: NewAppointment): Promise<Appointment> {
      const answer = await send({
        method: 'POST',
        path: '/calendars/events/appointments',
        body: {
          calendarId,
          locationId: scope.locationId,
          contactId,
          startTime: slot.start,
          ...(endTime && { endTime }),
          title,
          ...(notes && { description: notes }),
          appointmentStatus: 'confirmed',
          toNotify: true,
        },
        version,
      })
      const appointment = readAppointment(answer)
      if (!appointment)
        throw new UpstreamError('POST /calendars/events/appointments', 'no id in the answer', {
          outcome: 'unknown',
        })
      return appointment
    },

    /** What stands in the calendar from one instant until before another. */
    async events(from: Temporal.Instant, until: Temporal.Instant): Promise<Appointment[]> {
      const answer = await send({
        method: 'GET',
        path: '/calendars/events',
        query: {
          locationId: scope.locationId,
          calendarId,
          startTime: from.epochMilliseconds,
          endTime: until.epochMilliseconds,
        },
        version,
      })
      return Array.isArray(answer.events)
        ? answer.events.flatMap((event) => readAppointment(event) ?? [])
        : []
    },
  }
}

/** `{ "2026-08-21": { slots: [...] }, traceId }`; days without slots are absent. */
function readSlots(answer: Record<string, unknown>): Slot[] {
  return Object.values(answer).flatMap((day) => {
    const slots = (day as { slots?: unknown } | null)?.slots
    if (!Array.isArray(slots)) return []
    return slots.flatMap((start) => {
      const at = toInstant(start)
      return typeof start === 'string' && at ? { start, at } : []
    })
  })
}

function readAppointment(value: unknown): Appointment | undefined {
  const outer = value as Record<string, unknown> | null
  const given = (outer?.appointment ?? outer?.event ?? outer) as Record<string, unknown> | null
  if (typeof given?.id !== 'string' || !given.id) return undefined
  const optional = (field: string) => (typeof given[field] === 'string' ? { [field]: given[field] } : {})
  return {
    id: given.id,
    contactId: typeof given.contactId === 'string' ? given.contactId : undefined,
    startTime: String(given.startTime ?? ''),
    ...optional('endTime'),
    ...optional('title'),
    ...(typeof given.appointmentStatus === 'string' && { status: given.appointmentStatus }),
  }
}
