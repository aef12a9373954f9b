import type { CallToolResult, Tool } from '@modelcontextprotocol/server'

const text = { type: 'string' } as const

const tool = (name: string, description: string, ...names: string[]): Tool => ({
  name,
  description,
  inputSchema: {
    type: 'object',
    properties: Object.fromEntries(names.map((argument) => [argument.replace('!', ''), text])),
    required: names.filter((argument) => argument.endsWith('!')).map((argument) => argument.slice(0, -1)),
  },
})

/** Some of GoHighLevel's tools, by their names and with arguments in its form. */
export const TOOLS: readonly Tool[] = [
  tool('contacts_get-contact', 'Get a contact', 'path_contactId!'),
  tool('contacts_get-contacts', 'Get contacts', 'query_locationId!', 'query_query', 'query_limit'),
  tool(
    'contacts_create-contact',
    'Create a contact',
    'body_locationId!',
    'body_firstName',
    'body_email',
    'body_phone',
  ),
  tool('contacts_add-tags', 'Add tags to a contact', 'path_contactId!', 'body_tags'),
  tool('contacts_remove-tags', 'Remove tags from a contact', 'path_contactId!', 'body_tags'),
  tool('contacts_get-all-tasks', 'Get all tasks of a contact', 'path_contactId!'),
  tool('conversations_send-a-new-message', 'Send a message', 'body_type!', 'body_contactId!', 'body_message'),
  tool('conversations_get-messages', 'Get the messages of a conversation', 'path_conversationId!'),
  tool('calendars_get-calendar-events', 'Get calendar events', 'query_locationId!', 'query_calendarId'),
  tool('opportunities_update-opportunity', 'Update an opportunity', 'path_id!', 'body_status'),
  tool('locations_get-location', 'Get a location', 'path_locationId!'),
  tool('payments_list-transactions', 'List transactions', 'query_altId!', 'query_altType!'),
  tool('social-media-posting_create-post', 'Create posts', 'path_locationId!', 'body_summary'),
]

const TRACE = 'a1b2c3d4-0000-4000-8000-000000000000'

/** The result of a call, as observed: JSON within text, and a refused token as an error with status 200. */
export function answerOf(
  name: string,
  given: Record<string, unknown>,
  known: boolean,
  location: { token: string | undefined; header: string | undefined },
): CallToolResult {
  const says = (body: object, isError = false): CallToolResult => ({
    content: [{ type: 'text', text: JSON.stringify({ ...body, mcp_trace_id: TRACE, tool: name }) }],
    ...(isError && { isError }),
  })
  const refuse = (status: number, message: string) =>
    says({ success: false, status, data: { message } }, true)
  if (!known) return refuse(404, `Tool ${name} not found`)
  if (location.token === undefined) return refuse(401, 'Invalid Private Integration token')
  const meant = Object.entries(given).find(([argument]) => /_(locationId|altId)$/.test(argument))?.[1]
  const foreign = [location.header ?? location.token, meant ?? location.token].some(
    (id) => id !== location.token,
  )
  if (foreign) return refuse(403, 'The token does not have access to this location.')
  return says({ success: true, status: 200, data: { locationId: location.token, given } })
}
