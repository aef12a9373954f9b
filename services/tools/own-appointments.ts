import { type Static, Type } from '@sinclair/typebox'
import { AppError, invalid } from '../errors.ts'
import type { Appointment } from '../ghl/calendars.ts'
import { chronological, parseWhen, sayMoment, toInstant } from '../time.ts'
import type { ToolContext } from './define.ts'
import { wallTime } from './wish.ts'

/** How far ahead the caller's appointments are looked for. */
const HORIZON_DAYS = 180

export const OwnAppointment = Type.Object({
  id: Type.String(),
  start_time: Type.String({ description: 'RFC 3339 with the offset of the business' }),
  end_time: Type.Optional(Type.String()),
  title: Type.String(),
  status: Type.String(),
})

/** An appointment with what is not shown of it. */
export type Owned = Static<typeof OwnAppointment> & { at: Temporal.Instant; contactId: string }

export const shown = ({ at: _at, contactId: _contactId, ...appointment }: Owned) => appointment

/** How the model, or a program, says which of the caller's appointments it means. */
export const whichAppointment = {
  current_time: Type.Optional(
    Type.String({
      description:
        'When the appointment is now, as YYYY-MM-DDTHH:MM in the local time of the business. Leave out if the ' +
        'caller has only one.',
    }),
  ),
  appointment_id: Type.Optional(Type.String({ maxLength: 100, description: 'Its id, if it is known' })),
}

/**
 * The caller's own appointments in the client's calendar that lie ahead, cancelled ones included, in order.
 * Whose they are is proven by the contact of the call; nobody else's are ever seen.
 */
export async function ownAppointments(context: ToolContext, zone: string): Promise<Owned[]> {
  const contactId = await provenContactId(context)
  if (!contactId) return []
  const now = context.clock()
  const events = await context.ghl.calendars.events(now, now.add({ hours: 24 * HORIZON_DAYS }))
  return events
    .filter((event) => event.contactId === contactId)
    .flatMap((event) => shape(event, contactId, zone) ?? [])
    .filter(({ at }) => chronological(at, now) > 0)
    .sort((a, b) => chronological(a.at, b.at))
}

/**
 * The contact that is certainly the caller's: the one of the caller id, or, outside a call, the one a trusted
 * program names. What a caller says of themselves, a number or an e-mail address, proves nothing, so the
 * contact found by it opens nobody's appointments and receives nobody's messages.
 * @throws AppError CALLER_UNPROVEN
 */
export async function provenContactId({ call, caller, ghl }: ToolContext): Promise<string | undefined> {
  const contactId = call ? undefined : await caller.contactId
  if (contactId) return contactId
  if (!caller.number) throw new AppError('CALLER_UNPROVEN')
  return (await ghl.contacts.byPhone(caller.number))?.id
}

function shape(event: Appointment, contactId: string, zone: string): Owned | undefined {
  const at = toInstant(event.startTime)
  if (!at) return undefined
  const end = toInstant(event.endTime)
  return {
    id: event.id,
    start_time: wallTime(at, zone),
    ...(end && { end_time: wallTime(end, zone) }),
    title: event.title ?? 'Appointment',
    status: event.status ?? 'confirmed',
    at,
    contactId,
  }
}

/**
 * The one of `appointments` that is meant.
 * @throws AppError with a sentence that helps the model to ask on
 */
export function choose(
  appointments: readonly Owned[],
  { current_time, appointment_id }: { current_time?: string; appointment_id?: string },
  zone: string,
): Owned {
  const wanted = (one: Owned) => {
    if (appointment_id !== undefined) return one.id === appointment_id
    if (current_time === undefined) return true
    const when = parseWhen(current_time, zone)
    if (when.kind === 'unreadable')
      throw invalid('current_time', 'current_time must be a date and time such as 2026-08-21T09:00.')
    return when.kind === 'instants' && when.instants.some((at) => at.equals(one.at))
  }
  const found = appointments.filter(wanted)
  const [only] = found
  if (only && found.length === 1) return only
  const list = appointments.map((one) => `${one.title}, ${sayMoment(one.at, zone)}`).join('; ')
  if (appointments.length === 0) {
    throw new AppError('APPOINTMENT_UNKNOWN', {
      advice: 'The caller has no upcoming appointment under this phone number.',
    })
  }
  if (found.length === 0)
    throw new AppError('APPOINTMENT_UNKNOWN', {
      advice: `There is no appointment of the caller then. There is: ${list}.`,
    })
  throw invalid('current_time', `The caller has several: ${list}. Ask which one is meant.`)
}
