import { type Static, Type } from '@sinclair/typebox'
import { AppError, invalid } from '../errors.ts'
import type { Appointment, Slot } from '../ghl/calendars.ts'
import { parseWhen, sayMoment, startOfDay, toInstant } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import { defineTool, type ToolContext } from './define.ts'
import { callerInput, findOrCreate } from './find-or-create-contact.ts'
import { calendarOf, nearest, notAvailable } from './offers.ts'

/** How far alternatives to a wish are looked for; one request to GHL. */
const ALTERNATIVE_DAYS = 7

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
  output: Type.Object({ success: Type.Literal(true), appointment: AppointmentShape }),
  actsOnContact: true,

  async run(context, input) {
    const { zone } = calendarOf(context.client)
    const wish = readWish(input.start_time, zone)
    const [slots, minutes, contact] = await Promise.all([
      offersAround(wish, context, zone),
      input.end_time === undefined ? context.ghl.calendars.slotMinutes() : undefined,
      contactOf(context, input),
    ])
    const now = context.clock()
    const slot = slots.find(({ at }) => wish.instants.some((instant) => instant.equals(at)))
    if (!slot || Temporal.Instant.compare(slot.at, now) <= 0) {
      const own = await ownAppointment(context, wish.instants, contact)
      if (own) return { success: true as const, appointment: shape(own, contact, own.title ?? 'Appointment') }
      const past = wish.instants.every((instant) => Temporal.Instant.compare(instant, now) <= 0)
      throw notAvailable(
        wish.instants.length === 0
          ? 'That time does not exist on that day, because the clocks go forward.'
          : past
            ? 'That time has passed.'
            : 'That time is not free.',
        nearest(slots, past ? now : wish.near),
        zone,
      )
    }
    const title = input.title?.trim() || 'Appointment'
    const endTime = readEnd(input.end_time, slot, minutes, zone)
    const appointment = await book(
      context,
      { contactId: contact, slot, endTime, title, notes: input.notes },
      zone,
    )
    return {
      success: true as const,
      appointment: shape({ endTime, ...appointment, startTime: slot.start }, contact, title),
    }
  },

  say({ appointment }, { client }) {
    const at = Temporal.Instant.from(appointment.start_time)
    return `Booked: ${sayMoment(at, client.timezone ?? 'UTC')}. Confirm the day and time to the caller.`
  },

  contactOf: ({ appointment }) => appointment.contact_id,
})

interface Wish {
  /** The instants it may mean; none where the clocks jump over it. */
  instants: readonly Temporal.Instant[]
  near: Temporal.Instant
  day: Temporal.PlainDate
}

function readWish(text: string, zone: string): Wish {
  const when = parseWhen(text, zone)
  if (when.kind === 'unreadable') {
    throw invalid('start_time', 'start_time must be a date and time such as 2026-08-21T09:00.')
  }
  if (when.kind === 'skipped') {
    const wall = Temporal.PlainDateTime.from(text.trim()).toZonedDateTime(zone)
    return { instants: [], near: wall.toInstant(), day: when.date }
  }
  const [near] = when.instants
  return { instants: when.instants, near, day: near.toZonedDateTimeISO(zone).toPlainDate() }
}

/** What the calendar offers from the day of the wish on, or from today if that has passed. */
async function offersAround(wish: Wish, { ghl, clock }: ToolContext, zone: string): Promise<Slot[]> {
  const now = clock()
  const today = now.toZonedDateTimeISO(zone).toPlainDate()
  const from = Temporal.PlainDate.compare(wish.day, today) < 0 ? today : wish.day
  const slots = await ghl.calendars.freeSlots(from, from.add({ days: ALTERNATIVE_DAYS - 1 }), zone)
  return slots.filter(({ at }) => Temporal.Instant.compare(at, now) > 0)
}

async function contactOf(context: ToolContext, input: { name?: string; email?: string; phone?: string }) {
  return context.caller.contactId ?? (await findOrCreate(context, input)).contact.id
}

function readEnd(
  given: string | undefined,
  slot: Slot,
  minutes: number | undefined,
  zone: string,
): string | undefined {
  const wall = (at: Temporal.Instant) =>
    at.toZonedDateTimeISO(zone).toString({ timeZoneName: 'never', smallestUnit: 'second' })
  if (given === undefined) return minutes === undefined ? undefined : wall(slot.at.add({ minutes }))
  const when = parseWhen(given, zone)
  const end =
    when.kind === 'instants'
      ? when.instants.find((at) => Temporal.Instant.compare(at, slot.at) > 0)
      : undefined
  if (!end) throw invalid('end_time', 'end_time must be a date and time after start_time.')
  return wall(end)
}

interface Booking {
  contactId: string
  slot: Slot
  endTime: string | undefined
  title: string
  notes: string | undefined
}

/**
 * Books, and comes back with an appointment id or an error, never with a guess: if the answer was lost, the
 * calendar is read, and only when nothing stands there is it tried once more. The second try cannot double
 * the first, since GHL gives a slot once.
 */
async function book(context: ToolContext, booking: Booking, zone: string): Promise<Appointment> {
  for (let tries = 1; ; tries++) {
    try {
      return await context.ghl.calendars.book(booking)
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      const taken = isSlotTaken(error)
      if (error.outcome === 'none' && !taken) throw error
      const own = await ownAppointment(context, [booking.slot.at], booking.contactId).catch(() => {
        throw new AppError('CRM_TIMEOUT', {
          cause: error,
          advice:
            'It is not certain whether the appointment was booked. Do not say that it is. Say that somebody ' +
            'will call back to confirm.',
        })
      })
      if (own) return own
      if (taken) {
        const day = booking.slot.at.toZonedDateTimeISO(zone).toPlainDate()
        const others = await offersAround({ instants: [], near: booking.slot.at, day }, context, zone)
        throw notAvailable('That time was just taken.', nearest(others, booking.slot.at), zone)
      }
      if (tries === 2 || context.signal.aborted) throw error
    }
  }
}

/** An appointment of this contact that begins at one of these instants, if there is one. */
async function ownAppointment(
  { ghl, client }: ToolContext,
  instants: readonly Temporal.Instant[],
  contactId: string,
): Promise<Appointment | undefined> {
  const [first] = instants
  if (!first || !client.timezone) return undefined
  const day = first.toZonedDateTimeISO(client.timezone).toPlainDate()
  const until = startOfDay(day.add({ days: 1 }), client.timezone)
  const events = await ghl.calendars.events(startOfDay(day, client.timezone), until)
  return events.find((event) => {
    const at = toInstant(event.startTime)
    return (
      event.contactId === contactId &&
      event.status !== 'cancelled' &&
      at &&
      instants.some((one) => one.equals(at))
    )
  })
}

/** GHL says it in words only: "The slot you have selected is no longer available." */
function isSlotTaken(error: UpstreamError): boolean {
  const message = (error.body as { message?: unknown } | undefined)?.message
  return (
    error.status === 400 && typeof message === 'string' && /slot/i.test(message) && /available/i.test(message)
  )
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
