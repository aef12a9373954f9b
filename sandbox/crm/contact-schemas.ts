import { type Static, Type } from '@sinclair/typebox'
import { email, oneOf, orNull, phone, someText, strict } from './validation.ts'

const text = Type.Optional(Type.String())
const textOrNull = Type.Optional(orNull(Type.String()))

const dndSetting = Type.Optional(
  strict({ status: oneOf(['active', 'inactive', 'permanent']), message: text, code: text }),
)

/** What POST, PUT and upsert share. `tags` replaces all tags the contact has. */
const shared = {
  firstName: textOrNull,
  lastName: textOrNull,
  name: textOrNull,
  email: Type.Optional(orNull(email)),
  phone: Type.Optional(orNull(phone)),
  address1: textOrNull,
  city: textOrNull,
  state: textOrNull,
  postalCode: text,
  website: textOrNull,
  timezone: textOrNull,
  dnd: Type.Optional(Type.Boolean()),
  dndSettings: Type.Optional(
    strict({
      Call: dndSetting,
      Email: dndSetting,
      SMS: dndSetting,
      WhatsApp: dndSetting,
      GMB: dndSetting,
      FB: dndSetting,
    }),
  ),
  inboundDndSettings: Type.Optional(
    strict({ all: Type.Optional(strict({ status: oneOf(['active', 'inactive']), message: text })) }),
  ),
  tags: Type.Optional(Type.Array(Type.String())),
  customFields: Type.Optional(
    Type.Array(strict({ id: text, key: text, field_value: Type.Optional(Type.Unknown()) })),
  ),
  dateOfBirth: textOrNull,
  country: text,
}

const creation = {
  ...shared,
  locationId: someText,
  gender: text,
  companyName: textOrNull,
  source: text,
  assignedTo: text,
}

export const createBody = strict(creation)
export const upsertBody = strict({ ...creation, createNewIfDuplicateAllowed: Type.Optional(Type.Boolean()) })
/** No locationId, gender or companyName here: the update DTO refuses them. */
export const updateBody = strict({ ...shared, source: textOrNull, assignedTo: textOrNull })

/** The union of what the three may carry. */
export type ContactBody = Omit<Static<typeof createBody>, 'locationId' | 'source' | 'assignedTo'> &
  Pick<Static<typeof updateBody>, 'source' | 'assignedTo'>

export const searchDuplicateQuery = strict({
  locationId: someText,
  number: Type.Optional(Type.String()),
  email: Type.Optional(Type.String()),
})

export const searchFilter = Type.Recursive((self) =>
  strict({
    field: text,
    operator: Type.Optional(
      oneOf(['eq', 'not_eq', 'contains', 'not_contains', 'exists', 'not_exists', 'range']),
    ),
    value: Type.Optional(Type.Unknown()),
    group: Type.Optional(oneOf(['AND', 'OR'])),
    filters: Type.Optional(Type.Array(self)),
  }),
)

export const searchBody = strict({
  locationId: someText,
  page: Type.Optional(Type.Integer({ minimum: 1 })),
  pageLimit: Type.Integer({ minimum: 1, maximum: 500 }),
  searchAfter: Type.Optional(Type.Array(Type.Unknown())),
  query: Type.Optional(Type.String({ maxLength: 75 })),
  filters: Type.Optional(Type.Array(searchFilter)),
  sort: Type.Optional(Type.Array(strict({ field: someText, direction: oneOf(['asc', 'desc']) }))),
})

export const noteBody = strict({
  body: someText,
  title: text,
  userId: text,
  color: text,
  pinned: Type.Optional(Type.Boolean()),
})

export const noteUpdateBody = Type.Partial(noteBody, { additionalProperties: false })

export const tagsBody = strict({ tags: Type.Array(Type.String(), { minItems: 1 }) })

export const taskBody = strict({
  title: someText,
  body: text,
  dueDate: someText,
  completed: Type.Boolean(),
  assignedTo: text,
})

export const contactParams = Type.Object({ contactId: Type.String() })
export const noteParams = Type.Object({ contactId: Type.String(), noteId: Type.String() })
