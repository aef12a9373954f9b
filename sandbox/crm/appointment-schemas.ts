import { type Static, Type } from '@sinclair/typebox'
import { digits, isoTime, oneOf, someText, strict } from './validation.ts'

const text = Type.Optional(Type.String())
const flag = Type.Optional(Type.Boolean())

const editable = {
  title: text,
  meetingLocationType: Type.Optional(
    oneOf(['custom', 'zoom', 'gmeet', 'phone', 'address', 'ms_teams', 'google']),
  ),
  meetingLocationId: text,
  overrideLocationConfig: flag,
  appointmentStatus: Type.Optional(oneOf(['new', 'confirmed', 'cancelled', 'showed', 'noshow', 'invalid'])),
  assignedUserId: text,
  description: text,
  address: text,
  ignoreDateRange: flag,
  toNotify: flag,
  ignoreFreeSlotValidation: flag,
  rrule: text,
  endTime: Type.Optional(isoTime),
}

export const createBody = strict({
  ...editable,
  calendarId: someText,
  locationId: someText,
  contactId: someText,
  startTime: isoTime,
})
export const editBody = strict({
  ...editable,
  calendarId: Type.Optional(someText),
  startTime: Type.Optional(isoTime),
})
export type EditBody = Static<typeof editBody>

export const eventParams = Type.Object({ eventId: Type.String() })
export const eventsQuery = strict({
  locationId: someText,
  userId: text,
  calendarId: text,
  groupId: text,
  startTime: digits,
  endTime: digits,
})
export const deleteBody = strict({})
