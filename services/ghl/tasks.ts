import { UpstreamError } from '../upstream.ts'
import { type GhlScope, type GhlSend, VERSION } from './transport.ts'

export interface NewTask {
  title: string
  body: string
  due: Temporal.Instant
}

/** Tasks for the people of one location, each on a contact. */
export function createTasks(send: GhlSend, _scope: GhlScope) {
  const version = VERSION.contacts
  const pathOf = (contactId: string) => `/contacts/${encodeURIComponent(contactId)}/tasks`
  return {
    async add(contactId: string, { title, body, due }: NewTask): Promise<string> {
      const answer = await send({
        method: 'POST',
        path: pathOf(contactId),
        body: { title, body, dueDate: due.toString({ smallestUnit: 'second' }), completed: false },
        version,
      })
      const id = (answer.task as { id?: unknown } | undefined)?.id
      if (typeof id === 'string' && id) return id
      throw new UpstreamError('POST /contacts/:id/tasks', 'no id in the answer', { outcome: 'unknown' })
    },

    /** The id of a task of this contact whose text holds `mark`. */
    async find(contactId: string, mark: string): Promise<string | undefined> {
      const { tasks } = await send({ method: 'GET', path: pathOf(contactId), version })
      if (!Array.isArray(tasks)) return undefined
      const found = tasks.find((task) => typeof task?.body === 'string' && task.body.includes(mark))
      return typeof found?.id === 'string' ? found.id : undefined
    },
  }
}
