import { Type } from '@sinclair/typebox'
import { sayMoment } from '../time.ts'
import { defineTool } from './define.ts'
import { calendarOf } from './offers.ts'
import { choose, OwnAppointment, ownAppointments, shown, whichAppointment } from './own-appointments.ts'

export const cancelAppointment = defineTool({
  name: 'cancel_appointment',
  description:
    "Cancels one of the caller's own upcoming appointments. Say which one and wait for a yes before you use it.",
  input: Type.Object(whichAppointment),
  output: Type.Object({ success: Type.Literal(true), appointment: OwnAppointment }),
  needsCalendar: true,
  actsOnContact: true,
  adviceWhenLate:
    'It is not certain whether the appointment was cancelled. Do not say that it is. Say that somebody will call back.',

  async run(context, input) {
    const { zone } = calendarOf(context.client)
    const all = await ownAppointments(context, zone)
    const standing = all.filter(({ status }) => status !== 'cancelled')
    // A second request for the same finds it cancelled, and that is what was wanted.
    const named = input.appointment_id !== undefined || input.current_time !== undefined
    const candidates = named || standing.length === 0 ? preferring(standing, all) : standing
    const appointment = shown(choose(candidates, input, zone))
    if (appointment.status !== 'cancelled')
      await context.ghl.appointments.update(appointment.id, { status: 'cancelled' })
    return { success: true as const, appointment: { ...appointment, status: 'cancelled' } }
  },

  say({ appointment }, { client }) {
    const at = Temporal.Instant.from(appointment.start_time)
    return `Cancelled: ${appointment.title}, ${sayMoment(at, client.timezone ?? 'UTC')}.`
  },
})

/** All appointments, without those cancelled ones whose time the caller has booked again. */
function preferring<T extends { at: Temporal.Instant; status: string }>(
  standing: readonly T[],
  all: readonly T[],
): T[] {
  return all.filter((one) => one.status !== 'cancelled' || !standing.some(({ at }) => at.equals(one.at)))
}
