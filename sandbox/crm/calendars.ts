import { Type } from '@sinclair/typebox'
import { type CrmApp, type CrmContext, calendarOf } from './context.ts'
import { unprocessable } from './errors.ts'
import type { CalendarState } from './records.ts'
import { freeSlots, slotsByDay } from './slots.ts'
import { digits, epochMillis, isTimeZone, oneOf, someText, strict } from './validation.ts'

const MAX_RANGE = Temporal.Duration.from({ hours: 31 * 24 })
const calendarParams = Type.Object({ calendarId: Type.String() })
const listQuery = strict({
  locationId: someText,
  groupId: Type.Optional(Type.String()),
  showDrafted: Type.Optional(oneOf(['true', 'false'])),
})
const users = Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())]))
const freeSlotsQuery = strict({
  startDate: digits,
  endDate: digits,
  timezone: Type.Optional(Type.String()),
  userId: Type.Optional(Type.String()),
  userIds: users,
  'userIds[]': users,
})

function openHoursReply(calendar: CalendarState) {
  return calendar.openHours.map(({ days, from, to }) => {
    const [openHour = 0, openMinute = 0] = from.split(':').map(Number)
    const [closeHour = 0, closeMinute = 0] = to.split(':').map(Number)
    return {
      // GoHighLevel counts from Sunday = 0.
      daysOfTheWeek: days.map((day) => day % 7),
      hours: [
        // Its closing hour goes to 23 and its minutes to 60, which is how midnight is written.
        {
          openHour,
          openMinute,
          closeHour: Math.min(closeHour, 23),
          closeMinute: closeHour === 24 ? 60 : closeMinute,
        },
      ],
    }
  })
}

const calendarReply = (calendar: CalendarState) => ({
  id: calendar.id,
  locationId: calendar.locationId,
  groupId: calendar.groupId,
  name: calendar.name,
  isActive: calendar.active ?? true,
  calendarType: 'round_robin',
  eventType: 'RoundRobin_OptimizeForAvailability',
  teamMembers: calendar.teamUserIds.map((userId) => ({ userId, priority: 0.5, isPrimary: false })),
  slotDuration: calendar.slotMinutes,
  slotDurationUnit: 'mins',
  slotInterval: calendar.slotMinutes,
  slotIntervalUnit: 'mins',
  appoinmentPerSlot: 1,
  allowBookingAfter: (calendar.minNoticeMinutes ?? 0) / 60,
  allowBookingAfterUnit: 'hours',
  openHours: openHoursReply(calendar),
  autoConfirm: true,
  allowReschedule: true,
  allowCancellation: true,
})

function dateRange(startDate: string, endDate: string) {
  const from = epochMillis(startDate, 'startDate')
  const to = epochMillis(endDate, 'endDate')
  if (Temporal.Instant.compare(from, to) >= 0) throw unprocessable('endDate must be after startDate')
  if (Temporal.Instant.compare(from.add(MAX_RANGE), to) < 0) {
    throw unprocessable('The date range cannot be more than 31 days')
  }
  return { from, to }
}

export function calendarRoutes(app: CrmApp, context: CrmContext): void {
  app.get('/calendars/', { schema: { querystring: listQuery } }, (request) => {
    const { locationId, groupId } = request.query
    const location = context.gate.named(request, locationId)
    const wanted = location.calendars.filter((each) => groupId === undefined || each.groupId === groupId)
    return { calendars: wanted.map(calendarReply) }
  })

  app.get('/calendars/:calendarId', { schema: { params: calendarParams } }, (request) => ({
    calendar: calendarReply(calendarOf(context, request, request.params.calendarId)),
  }))

  app.get(
    '/calendars/:calendarId/free-slots',
    { schema: { params: calendarParams, querystring: freeSlotsQuery } },
    (request) => {
      const { query } = request
      const range = dateRange(query.startDate, query.endDate)
      const calendar = calendarOf(context, request, request.params.calendarId)
      const zone = query.timezone ?? calendar.timezone
      if (!isTimeZone(zone)) throw unprocessable('timezone must be a valid IANA time zone')
      const asked = [query.userId, query.userIds, query['userIds[]']].flat()
      if (asked.some((user) => user !== undefined && !calendar.teamUserIds.includes(user))) {
        throw unprocessable('The user id not part of calendar team.')
      }
      const slots = freeSlots(calendar, { ...range, now: context.now(), taken: calendar.bookings.values() })
      return slotsByDay(slots, zone)
    },
  )
}
