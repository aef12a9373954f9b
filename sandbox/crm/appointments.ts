import {
  createBody,
  deleteBody,
  type EditBody,
  editBody,
  eventParams,
  eventsQuery,
} from './appointment-schemas.ts'
import { appointmentOf, type CrmApp, type CrmContext, calendarOf, contactOf } from './context.ts'
import { slotTaken, unprocessable } from './errors.ts'
import type { CalendarState, SandboxAppointment } from './records.ts'
import { type Booking, freeSlots, overlaps, slotText } from './slots.ts'
import { newId } from './store.ts'
import { epochMillis } from './validation.ts'

function instant(value: string, name: string): Temporal.Instant {
  try {
    return Temporal.Instant.from(value)
  } catch {
    throw unprocessable(`${name} must be a valid ISO 8601 date string`)
  }
}

const bookingOf = (appointment: SandboxAppointment): Booking => ({
  start: Temporal.Instant.from(appointment.startTime),
  end: Temporal.Instant.from(appointment.endTime),
})

/** `appoinmentStatus` is a misspelt twin the live service sends along. */
const statusTwin = (appointment: SandboxAppointment) => ({
  appoinmentStatus: appointment.appointmentStatus,
  isRecurring: appointment.rrule !== undefined,
})

/** The flat reply of create and update tells less than a read does. */
function writeReply(appointment: SandboxAppointment) {
  const { toNotify: _t, groupId: _g, users: _u, dateAdded: _a, dateUpdated: _d, ...rest } = appointment
  const { description: _description, meetingLocationId: _m, ...told } = rest
  return { ...told, ...statusTwin(appointment) }
}

/** Reads and lists promise an assignedUserId; a calendar without a team has none to name. */
function readReply(appointment: SandboxAppointment) {
  const { toNotify: _t, meetingLocationType: _l, meetingLocationId: _m, ...told } = appointment
  return { ...told, ...statusTwin(appointment), assignedUserId: appointment.assignedUserId ?? '' }
}

function checkUser(calendar: CalendarState, userId: string | undefined): void {
  if (userId === undefined && calendar.requireAssignedUser) {
    throw unprocessable('A team member is required for this calendar: assignedUserId should not be empty')
  }
  if (userId !== undefined && !calendar.teamUserIds.includes(userId)) {
    throw unprocessable('The user id not part of calendar team.')
  }
}

/** Appointments: booking, moving, cancelling and reading them. */
export function appointmentRoutes(app: CrmApp, context: CrmContext): void {
  const { store, gate, now } = context

  /**
   * Refuses a time that is not a free slot. The start must be an offered slot's instant and written with its offset:
   * the live service was seen to refuse the same instant rewritten to `Z`.
   */
  function checkSlot(calendar: CalendarState, wanted: Booking, body: EditBody, self?: string): void {
    if (body.ignoreFreeSlotValidation === true) return
    if (body.startTime?.endsWith('Z')) throw slotTaken()
    const taken = [...calendar.bookings].filter(([id]) => id !== self).map(([, booking]) => booking)
    const offered = freeSlots(calendar, {
      from: wanted.start,
      to: wanted.start.add({ nanoseconds: 1 }),
      now: now(),
      taken,
      ignoreNotice: body.ignoreDateRange === true,
    })
    if (offered.length === 0 || taken.some((booking) => overlaps(booking, wanted))) throw slotTaken()
  }

  function checkBody(body: EditBody, wanted: Booking): void {
    if (Temporal.Instant.compare(wanted.end, wanted.start) <= 0) {
      throw unprocessable('endTime must be after startTime')
    }
    if (body.rrule !== undefined && body.ignoreFreeSlotValidation !== true) {
      throw unprocessable('rrule can only be applied when ignoreFreeSlotValidation is true')
    }
  }

  function hold(calendar: CalendarState, appointment: SandboxAppointment, booking: Booking): void {
    if (appointment.appointmentStatus === 'cancelled') calendar.bookings.delete(appointment.id)
    else calendar.bookings.set(appointment.id, booking)
  }

  const place = (calendar: CalendarState, wanted: Booking) => ({
    startTime: slotText(wanted.start, calendar.timezone),
    endTime: slotText(wanted.end, calendar.timezone),
  })

  function kept(body: EditBody) {
    const { ignoreDateRange: _i, ignoreFreeSlotValidation: _f, overrideLocationConfig: _o, ...rest } = body
    return rest
  }

  app.post('/calendars/events/appointments', { schema: { body: createBody } }, (request) => {
    const { body } = request
    const location = gate.named(request, body.locationId)
    const start = instant(body.startTime, 'startTime')
    const calendar = calendarOf(context, request, body.calendarId)
    const end =
      body.endTime === undefined
        ? start.add({ minutes: calendar.slotMinutes })
        : instant(body.endTime, 'endTime')
    const wanted = { start, end }
    checkBody(body, wanted)
    const contact = contactOf(context, request, body.contactId)
    checkUser(calendar, body.assignedUserId)
    if (body.appointmentStatus !== 'cancelled') checkSlot(calendar, wanted, body)
    const at = store.timestamp()
    const owner = body.assignedUserId ?? calendar.teamUserIds[0]
    const appointment: SandboxAppointment = {
      appointmentStatus: 'confirmed',
      title: '',
      toNotify: true,
      ...kept(body),
      id: newId(),
      calendarId: calendar.id,
      locationId: location.id,
      contactId: contact.id,
      groupId: calendar.groupId,
      ...(owner === undefined ? {} : { assignedUserId: owner }),
      users: [],
      ...place(calendar, wanted),
      dateAdded: at,
      dateUpdated: at,
    }
    location.appointments.push(appointment)
    store.appointments.set(appointment.id, appointment)
    hold(calendar, appointment, wanted)
    store.commit(location.id, 'appointment.created', appointment.id, appointment)
    return writeReply(appointment)
  })

  app.get('/calendars/events/appointments/:eventId', { schema: { params: eventParams } }, (request) => ({
    appointment: readReply(appointmentOf(context, request, request.params.eventId)),
  }))

  app.put(
    '/calendars/events/appointments/:eventId',
    { schema: { params: eventParams, body: editBody } },
    (request) => {
      const { body } = request
      const appointment = appointmentOf(context, request, request.params.eventId)
      const before = calendarOf(context, request, appointment.calendarId)
      const calendar = calendarOf(context, request, body.calendarId ?? appointment.calendarId)
      const old = bookingOf(appointment)
      const start = body.startTime === undefined ? old.start : instant(body.startTime, 'startTime')
      const end =
        body.endTime === undefined ? start.add(old.start.until(old.end)) : instant(body.endTime, 'endTime')
      const wanted = { start, end }
      checkBody(body, wanted)
      if (body.assignedUserId !== undefined) checkUser(calendar, body.assignedUserId)
      // As observed: a PUT that does not name the status puts it back to confirmed, even on a cancelled appointment.
      const appointmentStatus = body.appointmentStatus ?? 'confirmed'
      const moved = !wanted.start.equals(old.start) || !wanted.end.equals(old.end) || calendar !== before
      const revived = appointment.appointmentStatus === 'cancelled'
      const rewritten = body.startTime?.endsWith('Z') === true
      if (appointmentStatus !== 'cancelled' && (moved || revived || rewritten)) {
        checkSlot(calendar, wanted, body, appointment.id)
      }
      before.bookings.delete(appointment.id)
      Object.assign(appointment, { toNotify: true, ...kept(body) }, place(calendar, wanted), {
        appointmentStatus,
        calendarId: calendar.id,
        groupId: calendar.groupId,
        dateUpdated: store.timestamp(),
      })
      hold(calendar, appointment, wanted)
      store.commit(appointment.locationId, 'appointment.updated', appointment.id, appointment)
      return writeReply(appointment)
    },
  )

  // The body is required although it has nothing to say.
  app.delete(
    '/calendars/events/:eventId',
    { schema: { params: eventParams, body: deleteBody } },
    (request, reply) => {
      const appointment = appointmentOf(context, request, request.params.eventId)
      const location = gate.location(request)
      store.calendars.get(appointment.calendarId)?.bookings.delete(appointment.id)
      store.appointments.delete(appointment.id)
      location.appointments.splice(location.appointments.indexOf(appointment), 1)
      store.commit(location.id, 'appointment.deleted', appointment.id, appointment)
      return reply.code(201).send({ succeeded: true })
    },
  )

  app.get('/calendars/events', { schema: { querystring: eventsQuery } }, (request) => {
    const { locationId, userId, calendarId, groupId, startTime, endTime } = request.query
    const location = gate.named(request, locationId)
    if (!userId && !calendarId && !groupId) {
      throw unprocessable('Either of userId, groupId or calendarId is required')
    }
    if (calendarId) calendarOf(context, request, calendarId)
    const range = {
      start: epochMillis(startTime, 'startTime'),
      end: epochMillis(endTime, 'endTime'),
    }
    const events = location.appointments.filter(
      (each) =>
        (!calendarId || each.calendarId === calendarId) &&
        (!groupId || each.groupId === groupId) &&
        (!userId || each.assignedUserId === userId) &&
        overlaps(bookingOf(each), range),
    )
    return { events: events.map(readReply) }
  })
}
