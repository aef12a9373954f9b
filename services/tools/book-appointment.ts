import { type Static, Type } from '@sinclair/typebox'
import { invalid } from '../errors.ts'
import type { Appointment, Slot } from '../ghl/calendars.ts'
import { chronological, parseWhen, sayMoment } from '../time.ts'
import { appointmentsAt, bookSlot, offersFrom, UNCERTAIN } from './booking.ts'
import { callerInput, contactIdOf } from './caller.ts'
import { confirmBySms } from './confirmation.ts'
import { defineTool } from './define.ts'
import { calendarOf } from './offers.ts'
import { endOf, readWish, refusal, slotOf, wallTime } from './wish.ts'

const AppointmentShape = Type.Object({
  id: Type.String(),
  contact_id: Type.String(),
  start_time: Type.String({ description: 'RFC 3339 with the offset of the business' }),
  end_time: Type.Optional(Type.String()),
  title: Type.String(),
})
type AppointmentShape = Static<typeof AppointmentShape>

export const bookAppointment = defineTool({
  name: 'book_appointment',
  description:
    'Books an appointment for the caller at a time that check_availability has returned. Use it only after the ' +
    'caller has agreed to that day and time and has given their name.',
  input: Type.Object({
    start_time: Type.String({
      description: 'The agreed time, as YYYY-MM-DDTHH:MM in the local time of the business',
    }),
    end_time: Type.Optional(Type.String({ description: 'Leave out: the calendar knows the length' })),
    title: Type.Optional(
      Type.String({ maxLength: 200, description: 'What it is for, such as "Leaking tap"' }),
    ),
    notes: Type.Optional(Type.String({ maxLength: 2_000, description: 'Anything the business should know' })),
    ...callerInput,
  }),
  output: Type.Object({
    success: Type.Literal(true),
    appointment: AppointmentShape,
    confirmation_sent: Type.Optional(
      Type.Literal(true, { description: 'A text message with the time is on its way to the contact' }),
    ),
    already_booked: Type.Optional(
      Type.Literal(true, { description: 'The contact had this appointment before; nothing was written' }),
    ),
  }),
  needsCalendar: true,
  actsOnContact: true,
  adviceWhenLate: UNCERTAIN,

  async run(context, input) {
    const { zone } = calendarOf(context.client)
    const wish = readWish(input.start_time, zone, 'start_time')
    const [slots, standing, facts, contactId] = await Promise.all([
      offersFrom(context, wish.day, zone),
      appointmentsAt(context, wish.instants),
      // The length is a courtesy: without it the calendar's own counts.
      input.end_time === undefined ? context.ghl.calendars.facts().catch(() => undefined) : undefined,
      contactIdOf(context, input),
    ])
    const title = input.title?.trim() || 'Appointment'
    const own = standing.find((event) => event.contactId === contactId)
    if (own)
      return {
        success: true as const,
        appointment: shape(own, contactId, title),
        already_booked: true as const,
      }

    const slot = slotOf(wish, slots)
    if (!slot) throw refusal(wish, slots, context.clock(), zone)
    const endTime = readEnd(input.end_time, slot, facts?.slotMinutes, zone)
    const { appointment, already } = await bookSlot(
      context,
      { contactId, slot, endTime, title, notes: input.notes },
      slots,
      zone,
    )
    const confirmed = !already && (await confirmBySms(context, contactId, slot.at))
    return {
      success: true as const,
      // The start as it was offered; the calendar's own answer may have it in another notation.
      appointment: shape({ endTime, ...appointment, startTime: slot.start }, contactId, title),
      ...(already && { already_booked: true as const }),
      ...(confirmed && { confirmation_sent: true as const }),
    }
  },

  say({ appointment, already_booked, confirmation_sent }, { client }) {
    const zone = client.timezone ?? 'UTC'
    const when = parseWhen(appointment.start_time, zone)
    const moment = when.kind === 'instants' ? sayMoment(when.instants[0], zone) : appointment.start_time
    if (already_booked)
      return `Already booked: ${moment}. The caller has this appointment. Confirm the day and time.`
    const sms = confirmation_sent ? ' A confirmation has been sent by text message.' : ''
    return `Booked: ${moment}. Confirm the day and time to the caller.${sms}`
  },

  contactOf: ({ appointment }) => appointment.contact_id,
})

function readEnd(
  given: string | undefined,
  slot: Slot,
  minutes: number | undefined,
  zone: string,
): string | undefined {
  if (given === undefined) return endOf(slot, minutes, zone)
  const when = parseWhen(given, zone)
  const end =
    when.kind === 'instants' ? when.instants.find((at) => chronological(at, slot.at) > 0) : undefined
  if (!end) throw invalid('end_time', 'end_time must be a date and time after start_time.')
  return wallTime(end, zone)
}

function shape(
  appointment: Omit<Appointment, 'contactId'>,
  contactId: string,
  title: string,
): AppointmentShape {
  return {
    id: appointment.id,
    contact_id: contactId,
    start_time: appointment.startTime,
    ...(appointment.endTime !== undefined && { end_time: appointment.endTime }),
    title: appointment.title ?? title,
  }
}
