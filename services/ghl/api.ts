import { createCalendars } from './calendars.ts'
import { createContacts } from './contacts.ts'
import { createTransport, type GhlOptions, type GhlScope } from './transport.ts'

/**
 * The GHL api. `forClient` binds it to one client's account: what holds the result can reach no other.
 * Everything throws UpstreamError.
 */
export function createGhlApi(options: GhlOptions) {
  const transport = createTransport(options)
  return {
    forClient(scope: GhlScope) {
      const send = transport(scope)
      return { contacts: createContacts(send, scope), calendars: createCalendars(send, scope) }
    },
  }
}

export type GhlApi = ReturnType<typeof createGhlApi>
/** GHL as seen from one client's account. */
export type GhlAccount = ReturnType<GhlApi['forClient']>
