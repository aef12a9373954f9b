import { type GhlScope, type GhlSend, VERSION } from './transport.ts'

export interface AppointmentChange {
  /** Both or neither; RFC 3339 with offset, the start exactly as it was offered. */
  startTime?: string
  endTime?: string | undefined
  /**
   * Always sent: a PUT without it has been seen to reset an appointment to confirmed.
   */
  status: string
}

/** Changes to appointments of one location that exist. */
export function createAppointments(send: GhlSend, _scope: GhlScope) {
  const version = VERSION.calendars
  const pathOf = (id: string) => `/calendars/events/appointments/${encodeURIComponent(id)}`
  return {
    /** Reschedules or cancels. Doing it twice does it once. */
    async update(id: string, { startTime, endTime, status }: AppointmentChange): Promise<void> {
      const body = { ...(startTime && { startTime }), ...(endTime && { endTime }), appointmentStatus: status }
      await send({ method: 'PUT', path: pathOf(id), body, version })
    },
  }
}
