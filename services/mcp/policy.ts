import type { Tool } from '@modelcontextprotocol/server'

/** Verbs with which the names of GHL's read-only tools begin: `contacts_get-contact`. */
const READS = new Set(['get', 'list', 'search', 'find', 'check', 'read', 'lookup', 'count'])
/** Words in a tool's name that mean: something is gone, or many people hear of it. */
const DANGER =
  /(?:^|[^a-z])(?:delete|remove|destroy|purge|clear|merge|bulk|batch|mass|all|broadcast|campaigns?|blast)(?=$|[^a-z])/i

type Named = Pick<Tool, 'name' | 'annotations'>

/** Whether a tool only looks: it says so, or its name's verb does where it says nothing. */
export function isReadOnly({ name, annotations }: Named): boolean {
  if (annotations?.readOnlyHint !== undefined) return annotations.readOnlyHint
  const [verb = ''] = (name.split('_').at(-1) ?? name).split('-')
  return READS.has(verb.toLowerCase())
}

/**
 * Whether a client's assistant may use one of GHL's tools. Without a list: those that only look, and contacts, but
 * nothing that deletes or reaches many. A name in the list allows that tool whatever it does; an entry that ends in
 * `*` allows what begins so, deleting and bulk excepted.
 */
export function isAllowed(tool: Named, allow: readonly string[] | undefined): boolean {
  if (allow?.includes(tool.name)) return true
  const reads = isReadOnly(tool)
  // "get-all-tasks" reads all tasks and harms nobody.
  if (!reads && (DANGER.test(tool.name) || tool.annotations?.destructiveHint === true)) return false
  if (allow) return allow.some((entry) => entry.endsWith('*') && tool.name.startsWith(entry.slice(0, -1)))
  return reads || /^contacts?_/.test(tool.name)
}
