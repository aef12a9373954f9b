import { Type } from '@sinclair/typebox'
import { AppError } from '../errors.ts'
import { sayMoment, toInstant } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import { appointmentsAt, isSlotTaken, offersFrom } from './booking.ts'
import { defineTool, type ToolContext } from './define.ts'
import { calendarOf, nearest, notAvailable } from './offers.ts'
import { choose, OwnAppointment, ownAppointments, shown, whichAppointment } from './own-appointments.ts'
import { endOf, readWish, refusal, slotOf } from './wish.ts'

const UNCERTAIN =
  'It is not certain whether the appointment was moved. Do not say that it is. Say that somebody will call back ' +
  'to confirm.'

export const rescheduleAppointment = defineTool({
  name: 'reschedule_appointment',
  description:
    "Moves one of the caller's own upcoming appointments to another time that check_availability has returned. Use " +
    'it only after the caller has agreed to the new day and time.',
  input: Type.Object({
    new_start_time: Type.String({
      description: 'The agreed new time, as YYYY-MM-DDTHH:MM in the local time of the business',
    }),
    ...whichAppointment,
  }),
  output: Type.Object({ success: Type.Literal(true), appointment: OwnAppointment }),
  needsCalendar: true,
  actsOnContact: true,
  adviceWhenLate: UNCERTAIN,

  async run(context, input) {
    const { zone } = calendarOf(context.client)
    const wish = readWish(input.new_start_time, zone, 'new_start_time')
    const [appointments, slots, facts] = await Promise.all([
      ownAppointments(context, zone),
      offersFrom(context, wish.day, zone),
      context.ghl.calendars.facts().catch(() => undefined),
    ])
    const standing = appointments.filter(({ status }) => status !== 'cancelled')
    const arrived = standing.find(({ at }) => wish.instants.some((instant) => instant.equals(at)))
    // Asked for again, or moved back and forth: it stands where it should.
    if (arrived && (standing.length === 1 || input.current_time === input.new_start_time)) {
      return { success: true as const, appointment: shown(arrived) }
    }
    const { at: _at, contactId, ...chosen } = choose(standing, input, zone)
    const slot = slotOf(wish, slots)
    if (!slot) throw refusal(wish, slots, context.clock(), zone)

    const hold = await context.holds.take(slot.at, contactId)
    if (!hold.mine) {
      const free = slots.filter(({ at }) => !at.equals(slot.at))
      throw notAvailable('That time was just taken.', nearest(free, slot.at), zone)
    }
    const endTime = endOf(slot, facts?.slotMinutes, zone)
    try {
      await move(context, chosen.id, { startTime: slot.start, endTime, status: chosen.status }, slot.at)
      await hold.booked(chosen.id)
    } catch (error) {
      await hold.release()
      if (!(error instanceof UpstreamError && isSlotTaken(error))) throw error
      const free = await offersFrom(context, wish.day, zone).catch(() => [])
      throw notAvailable('That time was just taken.', nearest(free, slot.at), zone)
    }
    const { end_time: _, ...rest } = chosen
    const appointment = { ...rest, start_time: slot.start, ...(endTime && { end_time: endTime }) }
    return { success: true as const, appointment }
  },

  say({ appointment }, { client }) {
    const at = Temporal.Instant.from(appointment.start_time)
    return `Moved: ${appointment.title} is now on ${sayMoment(at, client.timezone ?? 'UTC')}. Confirm it to the caller.`
  },
})

/**
 * Updates the appointment. Where the answer was lost, the calendar tells whether it stands at its new time; the
 * same update once more does no harm.
 */
async function move(
  context: ToolContext,
  id: string,
  change: { startTime: string; endTime: string | undefined; status: string },
  at: Temporal.Instant,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await context.ghl.appointments.update(id, change)
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.outcome === 'none') throw error
      const there = await appointmentsAt(context, [at]).catch(() => [])
      if (there.some((one) => one.id === id && toInstant(one.startTime)?.equals(at))) return
      if (tries === 2 || context.signal.aborted) {
        throw new AppError('CRM_TIMEOUT', { cause: error, advice: UNCERTAIN })
      }
    }
  }
}
