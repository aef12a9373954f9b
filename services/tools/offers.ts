import { Type } from '@sinclair/typebox'
import type { Client } from '../clients/client.ts'
import { AppError } from '../errors.ts'
import type { Slot } from '../ghl/calendars.ts'
import { chronological, sayDay, sayTime } from '../time.ts'

/** More than this nobody remembers on the phone. */
export const SPOKEN_OFFERS_MAX = 6

export const OfferedSlot = Type.Object({
  start_time: Type.String({
    description: 'RFC 3339 with the offset of the business; pass it on as it is to book',
  }),
})

export const offered = (slots: readonly Slot[]) => slots.map(({ start }) => ({ start_time: start }))

/**
 * Free times as one sentence in the client's zone: `Friday, August 21 at 9:00 AM, 10:30 AM; Monday, …`,
 * six at most, with the number of the rest.
 */
export function sayOffers(slots: readonly { start_time: string }[], zone: string): string {
  const days = new Map<string, Set<string>>()
  for (const { start_time } of slots.slice(0, SPOKEN_OFFERS_MAX)) {
    const at = Temporal.Instant.from(start_time)
    const day = sayDay(at, zone)
    // A set: where clocks go back, 1:30 comes twice and is the same to whoever hears it.
    days.set(day, (days.get(day) ?? new Set()).add(sayTime(at, zone)))
  }
  const spoken = [...days].map(([day, times]) => `${day} at ${[...times].join(', ')}`).join('; ')
  const rest = slots.length - SPOKEN_OFFERS_MAX
  return rest > 0 ? `${spoken}; and ${rest} more` : spoken
}

/** The six free times nearest to a wish, in the order of the clock. */
export function nearest(slots: readonly Slot[], wish: Temporal.Instant): Slot[] {
  const distance = (slot: Slot) => Math.abs(chronological(slot.at, wish))
  return [...slots]
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, SPOKEN_OFFERS_MAX)
    .sort((a, b) => chronological(a.at, b.at))
}

/** A wish that cannot be met, with what can be had instead. `reason` is a whole sentence. */
export function notAvailable(reason: string, alternatives: readonly Slot[], zone: string): AppError {
  const offers = offered(alternatives)
  return new AppError('SLOT_UNAVAILABLE', {
    detail: reason,
    advice: offers.length
      ? `${reason} Free: ${sayOffers(offers, zone)}.`
      : `${reason} No other times are free in the week after it. Ask for another day, or offer to take a message.`,
    members: { alternatives: offers },
  })
}

/** The zone and calendar that appointments need. @throws AppError CALENDAR_MISSING */
export function calendarOf(client: Client): { zone: string } {
  if (!client.crm.calendarId)
    throw new AppError('CALENDAR_MISSING', { detail: 'The client has no calendar_id.' })
  if (!client.timezone)
    throw new AppError('CALENDAR_MISSING', { detail: 'The client has no valid timezone.' })
  return { zone: client.timezone }
}
