import t from 'tap'
import { isAllowed, isReadOnly } from '../../../services/mcp/policy.ts'

const allowed = (name: string, allow?: string[]) => isAllowed({ name }, allow)

t.test('by default: what only reads, and contacts', async (t) => {
  for (const name of [
    'contacts_get-contact',
    'contacts_create-contact',
    'contacts_upsert-contact',
    'contacts_add-tags',
    'contacts_get-all-tasks',
    'conversations_search-conversation',
    'calendars_get-calendar-events',
    'locations_get-custom-fields',
    'payments_list-transactions',
  ])
    t.ok(allowed(name), name)
  for (const name of [
    'contacts_remove-tags',
    'contacts_delete-contact',
    'contacts_bulk-update',
    'contacts_merge-contacts',
    'conversations_send-a-new-message',
    'opportunities_update-opportunity',
    'social-media-posting_create-post',
    'emails_create-template',
    'blogs_update-blog-post',
    'anything',
  ])
    t.notOk(allowed(name), name)
})

t.test("a tool's own word goes before its name", async (t) => {
  t.ok(isReadOnly({ name: 'reports_make', annotations: { readOnlyHint: true } }))
  t.notOk(isReadOnly({ name: 'contacts_get-and-forget', annotations: { readOnlyHint: false } }))
  const destroys = { name: 'contacts_tidy', annotations: { destructiveHint: true } }
  t.notOk(isAllowed(destroys, undefined))
  t.ok(isAllowed(destroys, ['contacts_tidy']))
})

t.test('a list takes the place of the default', async (t) => {
  t.notOk(allowed('contacts_get-contact', []))
  t.ok(allowed('contacts_get-contact', ['contacts_*']))
  t.ok(allowed('conversations_send-a-new-message', ['conversations_*']))
  t.notOk(allowed('contacts_delete-contact', ['*']), 'deleting wants its name')
  t.ok(allowed('contacts_delete-contact', ['contacts_delete-contact']))
  t.notOk(allowed('contacts_get-contact', ['contacts_get']), 'a name is the whole name')
})
