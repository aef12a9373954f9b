import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from 'fastify'
import { badRequest, foreignLocation } from './errors.ts'
import type { Gate } from './gate.ts'
import type { CalendarState, SandboxAppointment, SandboxContact } from './records.ts'
import type { Store } from './store.ts'

export type CrmApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export interface CrmContext {
  store: Store
  gate: Gate
  now: () => Temporal.Instant
}

function owned<T extends { locationId: string }>(
  found: T | undefined,
  missing: string,
  locationId: string,
): T {
  if (found === undefined) throw badRequest(missing)
  if (found.locationId !== locationId) throw foreignLocation()
  return found
}

export const contactOf = (context: CrmContext, request: FastifyRequest, id: string): SandboxContact =>
  owned(context.store.contacts.get(id), `Contact with id ${id} not found`, context.gate.location(request).id)

export const calendarOf = (context: CrmContext, request: FastifyRequest, id: string): CalendarState =>
  owned(
    context.store.calendars.get(id),
    `Calendar with id ${id} not found`,
    context.gate.location(request).id,
  )

export const appointmentOf = (context: CrmContext, request: FastifyRequest, id: string): SandboxAppointment =>
  owned(
    context.store.appointments.get(id),
    `Appointment with id ${id} not found`,
    context.gate.location(request).id,
  )
