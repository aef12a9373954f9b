import { Type } from '@sinclair/typebox'
import type { CrmApp, CrmContext } from './context.ts'

const params = Type.Object({ locationId: Type.String() })

export function locationRoutes(app: CrmApp, context: CrmContext): void {
  app.get('/locations/:locationId', { schema: { params } }, (request) => {
    const location = context.gate.named(request, request.params.locationId)
    return {
      location: {
        id: location.id,
        name: location.name,
        timezone: location.timezone,
        business: { name: location.name, timezone: location.timezone },
        settings: { allowDuplicateContact: location.allowDuplicateContacts },
      },
    }
  })
}
