import { setTimeout as pause } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import type { Appointment, NewAppointment, Slot } from '../ghl/calendars.ts'
import { chronological, parseWhen, startOfDay } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import type { ToolContext } from './define.ts'
import { nearest, notAvailable } from './offers.ts'

/** How often the caller's own booking of the same slot, under way elsewhere, is looked for. */
const LOOK_MS = 150

/** Members of a calendar's team that are tried where the calendar wants one to be named. */
const TEAM_TRIES = 3

export const UNCERTAIN =
  'It is not certain whether the appointment was booked. Do not say that it is. Say that somebody will call ' +
  'back to confirm.'

export interface Booked {
  appointment: Appointment
  /** It stood there before. */
  already: boolean
}

/**
 * Books a slot for a contact, and comes back with an appointment id or an error, never with a guess.
 * A hold stands before the write: of two callers who want the slot one writes, the other gets `others`.
 */
export async function bookSlot(
  context: ToolContext,
  wish: NewAppointment,
  others: readonly Slot[],
  zone: string,
): Promise<Booked> {
  const { slot, contactId } = wish
  for (;;) {
    const hold = await context.holds.take(slot.at, contactId)
    if (hold.mine) {
      try {
        const booked = await write(context, wish, zone)
        await hold.booked(booked.appointment.id)
        return booked
      } catch (error) {
        const open = error instanceof AppError && error.code === 'CRM_TIMEOUT'
        await (open ? hold.uncertain() : hold.release())
        throw error
      }
    }
    if (hold.by !== undefined && hold.by !== contactId) {
      const free = others.filter(({ at }) => !at.equals(slot.at))
      throw notAvailable('That time was just taken.', nearest(free, slot.at), zone)
    }
    // The same caller's same wish is being booked under another id: its outcome is the answer to this one.
    const own = await ownAppointment(context, [slot.at], contactId)
    if (own) return { appointment: own, already: true }
    if (context.signal.aborted) throw new AppError('CRM_TIMEOUT', { advice: UNCERTAIN })
    await pause(LOOK_MS, undefined, { signal: context.signal }).catch(() => {})
  }
}

/**
 * Writes the appointment. If the answer was lost, the calendar is read, and only when nothing stands there is
 * it tried once more. The second try cannot double the first, since GHL gives a slot once.
 */
async function write(context: ToolContext, wish: NewAppointment, zone: string): Promise<Booked> {
  for (let tries = 1; ; tries++) {
    try {
      return { appointment: await send(context, wish), already: false }
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      const taken = isSlotTaken(error)
      if (error.outcome === 'none' && !taken) throw error
      const uncertain = () => new AppError('CRM_TIMEOUT', { cause: error, advice: UNCERTAIN })
      const own = await ownAppointment(context, [wish.slot.at], wish.contactId).catch(() => {
        throw taken ? error : uncertain()
      })
      // After a lost answer it is ours of a moment ago; GHL refusing the slot first means an older one.
      if (own) return { appointment: own, already: taken && tries === 1 }
      if (taken) {
        const day = wish.slot.at.toZonedDateTimeISO(zone).toPlainDate()
        const free = await offersFrom(context, day, zone).catch(() => [])
        throw notAvailable('That time was just taken.', nearest(free, wish.slot.at), zone)
      }
      // It is not there now; a request that was lost on its way may still arrive.
      const lost = error.status === undefined || error.status < 300
      if (tries === 2 || context.signal.aborted) throw lost ? uncertain() : error
    }
  }
}

/** Some calendars want to be told who of their team it is with, and say so only when asked to book. */
async function send({ ghl }: ToolContext, wish: NewAppointment): Promise<Appointment> {
  try {
    return await ghl.calendars.book(wish)
  } catch (error) {
    if (!isMemberMissing(error)) throw error
    const { teamUserIds } = await ghl.calendars.facts()
    const team = teamUserIds.slice(0, TEAM_TRIES)
    for (const [index, userId] of team.entries()) {
      try {
        return await ghl.calendars.book({ ...wish, userId })
      } catch (next) {
        const busy = next instanceof UpstreamError && isSlotTaken(next)
        if (!busy || index === team.length - 1) throw next
      }
    }
    throw error
  }
}

/** How far alternatives to a wish are looked for; one request to GHL. */
const OFFER_DAYS = 7

/** What the calendar offers in the week from a day on, or from today if that day has passed. */
export async function offersFrom(
  { ghl, clock }: ToolContext,
  day: Temporal.PlainDate,
  zone: string,
): Promise<Slot[]> {
  const now = clock()
  const today = now.toZonedDateTimeISO(zone).toPlainDate()
  const from = Temporal.PlainDate.compare(day, today) < 0 ? today : day
  const slots = await ghl.calendars.freeSlots(from, from.add({ days: OFFER_DAYS - 1 }), zone)
  return slots.filter(({ at }) => chronological(at, now) > 0)
}

/** Statuses of an appointment that is none. */
const VOID = new Set(['cancelled', 'invalid'])

/** The appointments of a client's calendar that begin at one of these instants, whoever's they are. */
export async function appointmentsAt(
  { ghl, client }: ToolContext,
  instants: readonly Temporal.Instant[],
): Promise<Appointment[]> {
  const [first] = instants
  const { timezone } = client
  if (!first || !timezone) return []
  const day = first.toZonedDateTimeISO(timezone).toPlainDate()
  const until = startOfDay(day.add({ days: 1 }), timezone)
  const events = await ghl.calendars.events(startOfDay(day, timezone), until)
  return events.filter((event) => {
    if (VOID.has(event.status ?? '')) return false
    const when = parseWhen(event.startTime, timezone)
    return (
      when.kind === 'instants' && when.instants.some((at) => instants.some((wanted) => wanted.equals(at)))
    )
  })
}

/** An appointment of this contact that begins at one of these instants, if there is one. */
async function ownAppointment(
  context: ToolContext,
  instants: readonly Temporal.Instant[],
  contactId: string,
): Promise<Appointment | undefined> {
  const events = await appointmentsAt(context, instants)
  return events.find((event) => event.contactId === contactId)
}

/** GHL says it in words only: "The slot you have selected is no longer available." */
export function isSlotTaken(error: UpstreamError): boolean {
  const message = (error.body as { message?: unknown } | undefined)?.message
  return (
    error.status === 400 && typeof message === 'string' && /slot/i.test(message) && /available/i.test(message)
  )
}

/** "A team member is required for this calendar: assignedUserId should not be empty", as a list or a text. */
function isMemberMissing(error: unknown): boolean {
  if (!(error instanceof UpstreamError) || error.status !== 422) return false
  const message = (error.body as { message?: unknown } | undefined)?.message
  return /assignedUserId|team member/i.test(String(message)) && !/not part of/i.test(String(message))
}
