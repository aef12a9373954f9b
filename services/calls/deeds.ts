import { record, text } from '../json.ts'

/** A tool call that succeeded, as it was kept with the call. */
export interface ToolOutcome {
  name?: unknown
  arguments?: unknown
  output?: unknown
}

/** What became of an appointment in this call. */
export interface AppointmentDeed {
  fate: 'booked' | 'moved' | 'cancelled'
  title: string
  /** RFC 3339 with offset, or whatever the CRM wrote. */
  time: string
}

/** What the receptionist did for the caller, in the end: a booking that was moved later stands at its last time. */
export interface Deeds {
  appointments: readonly AppointmentDeed[]
  messages: readonly string[]
}

/** Folds the tool calls of a call, in the order in which they came. */
export function deedsOf(outcomes: readonly ToolOutcome[]): Deeds {
  const appointments = new Map<string, AppointmentDeed>()
  const messages: string[] = []
  for (const { name, arguments: said, output } of outcomes) {
    const { id, title, start_time } = record(record(output).appointment)
    const key = text(id)
    const before = key === undefined ? undefined : appointments.get(key)
    const deed = (fate: AppointmentDeed['fate']) => {
      const time = text(start_time) ?? before?.time ?? ''
      if (key !== undefined)
        appointments.set(key, { fate, title: text(title) ?? before?.title ?? 'Appointment', time })
    }
    if (name === 'book_appointment') deed('booked')
    else if (name === 'reschedule_appointment') deed(before?.fate === 'booked' ? 'booked' : 'moved')
    else if (name === 'cancel_appointment') deed('cancelled')
    else if (name === 'take_message') messages.push(text(record(said).message) ?? '')
  }
  return { appointments: [...appointments.values()], messages: messages.filter(Boolean) }
}
