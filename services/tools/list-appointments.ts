import { Type } from '@sinclair/typebox'
import { sayMoment } from '../time.ts'
import { defineTool } from './define.ts'
import { calendarOf } from './offers.ts'
import { OwnAppointment, ownAppointments, shown } from './own-appointments.ts'

export const listAppointments = defineTool({
  name: 'list_appointments',
  description:
    "Lists the caller's own upcoming appointments. Use it when the caller asks about, or wants to move or cancel, " +
    'an appointment.',
  input: Type.Object({}),
  output: Type.Object({ success: Type.Literal(true), appointments: Type.Array(OwnAppointment) }),
  readOnly: true,
  needsCalendar: true,
  actsOnContact: true,

  async run(context) {
    const { zone } = calendarOf(context.client)
    const standing = (await ownAppointments(context, zone)).filter(({ status }) => status !== 'cancelled')
    return { success: true as const, appointments: standing.map(shown) }
  },

  say({ appointments }, { client }) {
    if (appointments.length === 0) return 'The caller has no upcoming appointment under this phone number.'
    const zone = client.timezone ?? 'UTC'
    const list = appointments.map(
      ({ title, start_time }) => `${title}, ${sayMoment(Temporal.Instant.from(start_time), zone)}`,
    )
    return `The caller has ${list.length === 1 ? 'one appointment' : `${list.length} appointments`}: ${list.join('; ')}.`
  },
})
