import { Type } from '@sinclair/typebox'
import { invalid } from '../errors.ts'
import type { Slot } from '../ghl/calendars.ts'

/** From the first hour up to, but not including, the second; what people mean by the words on the phone. */
const PARTS: Readonly<Record<string, readonly [from: number, until: number]>> = {
  morning: [0, 12],
  afternoon: [12, 17],
  evening: [17, 24],
}

/** Times of day that suit the caller. */
export const dayTimeInput = {
  part_of_day: Type.Optional(
    Type.String({ enum: Object.keys(PARTS), description: 'If the caller only wants this part of the day' }),
  ),
  not_before: Type.Optional(
    Type.String({
      maxLength: 20,
      description: 'Earliest start that suits the caller, as HH:MM, 24 hours. "After three" is 15:00.',
    }),
  ),
  not_after: Type.Optional(
    Type.String({ maxLength: 20, description: 'Latest start that suits the caller, as HH:MM, 24 hours.' }),
  ),
}

interface DayTimes {
  part_of_day?: string
  not_before?: string
  not_after?: string
}

/**
 * Whether a slot's wall time in `zone` suits the caller.
 * @throws AppError INVALID_INPUT
 */
export function dayTimeFilter(
  { part_of_day, not_before, not_after }: DayTimes,
  zone: string,
): (slot: Slot) => boolean {
  const part = part_of_day?.trim().toLowerCase()
  const hours = part === undefined ? undefined : PARTS[part]
  if (part !== undefined && !hours)
    throw invalid('part_of_day', 'part_of_day must be morning, afternoon or evening.')
  const earliest = not_before === undefined ? undefined : readTime('not_before', not_before)
  const latest = not_after === undefined ? undefined : readTime('not_after', not_after)
  if (earliest && latest && Temporal.PlainTime.compare(earliest, latest) > 0)
    throw invalid('not_after', 'not_after is earlier than not_before.')
  if (!hours && !earliest && !latest) return () => true
  return ({ at }) => {
    const time = at.toZonedDateTimeISO(zone).toPlainTime()
    return (
      (!hours || (time.hour >= hours[0] && time.hour < hours[1])) &&
      (!earliest || Temporal.PlainTime.compare(time, earliest) >= 0) &&
      (!latest || Temporal.PlainTime.compare(time, latest) <= 0)
    )
  }
}

/** `15:00`, and what models write in spite of being told: `15`, `3pm`, `3:30 p.m.`, `15:00:00`. */
function readTime(field: string, text: string): Temporal.PlainTime {
  const match = /^(\d{1,2})(?::(\d{2}))?(?::\d{2})?\s*([ap])?\.?(?:m\.?)?$/i.exec(text.trim())
  const [, hours, minutes = '0', half] = match ?? []
  const hour = Number(hours)
  const clock = half === undefined ? hour : (hour % 12) + (half.toLowerCase() === 'p' ? 12 : 0)
  const possible =
    match && clock < 24 && Number(minutes) < 60 && (half === undefined || (hour > 0 && hour <= 12))
  if (!possible) throw invalid(field, `${field} must be a time of day such as 15:00.`)
  return Temporal.PlainTime.from({ hour: clock, minute: Number(minutes) })
}
