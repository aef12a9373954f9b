import { randomUUID } from 'node:crypto'
import { ADMIN_TOKEN, asOwner, eventually, type Harness, type TestClient } from '../../helper.ts'
import { fullReport, messagesOf, type TestCall } from '../calls/messages.ts'
import { use } from '../tools/kit.ts'

/** What a caller has said, and who he is: must not be found anywhere in the end. */
export const WORDS = { name: 'Zebedee Quillfeather', said: 'the porcupine is in the boiler' }

export interface Receipt {
  id: string
  status: string
  done_at: string | null
  rows: Record<string, number>
  copies: Record<string, number>
  outstanding: { system: string; count: number; failure: string | null }[]
}

let callers = 0
/** A number that nobody else has. */
export const newCaller = () => `+1250556${String(++callers).padStart(4, '0')}`

export const asked =
  (h: Pick<Harness, 'app'>) => async (method: 'GET' | 'POST', url: string, payload?: object) => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
    const response = await h.app.inject({ method, url, headers, ...(payload && { payload }) })
    return { status: response.statusCode, body: response.json() }
  }

/** A report in which the caller's words stand in every place there is. */
export const tellingReport = (said = WORDS.said) =>
  fullReport({
    analysis: { summary: said, structuredData: { reason: said, caller_name: WORDS.name } },
    artifact: { transcript: `User: ${said}.`, recordingUrl: 'https://storage.vapi.ai/porcupine.wav' },
  })

/** A call from beginning to end, up to the note in the CRM. */
export async function wholeCall(
  h: Harness,
  client: TestClient,
  caller: string,
  done = true,
): Promise<TestCall> {
  const call = { id: randomUUID(), called: client.number, caller }
  const tell = messagesOf(call)
  h.vapi.addCall({ id: call.id, status: 'ended' })
  const request = tell.message('assistant-request', undefined)
  await h.webhook(request)
  await h.webhook(tell.status('in-progress', -90))
  await use(h, client, 'take_message', { message: WORDS.said, name: WORDS.name }, { callId: call.id, caller })
  await h.app.services.journal.flush()
  await h.webhook(tell.report(0, tellingReport()))
  if (done) await synced(h, call)
  return call
}

/** The call is in the CRM, and nobody is at work on it any more: an erasure waits for whoever may still write. */
export const synced = (h: Harness, { id }: TestCall) =>
  eventually(
    async () =>
      (
        await asOwner(h.app)`
          select from crm_syncs y join voice_sessions s on s.id = y.voice_session_id
          where s.vapi_call_id = ${id} and y.synced_at >= s.reported_at and y.note_id is not null
            and y.leased_until is null
            and not exists (
              select from outbox
              where data ->> 'sessionId' = s.id::text and due_at < now() + interval '5 minutes'
            )
            and not exists (
              select from pgboss.job
              where name = 'crm-sync' and data ->> 'sessionId' = s.id::text
                and state in ('created', 'retry', 'active') and start_after < now() + interval '5 minutes'
            )`
      ).length > 0,
    'the note in the CRM',
    60,
  )

/** The bodies of all notes of a location. */
export const notesAt = (h: Harness, { locationId }: TestClient) =>
  h.crm.location(locationId).contacts.flatMap(({ notes }) => notes.map(({ body }) => body))

/** Tables in which a text stands, in whatever column; the queue's too. */
export async function tablesWith(h: Pick<Harness, 'app'>, text: string): Promise<string[]> {
  const sql = asOwner(h.app)
  const tables = await sql<{ name: string }[]>`
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname in ('public', 'pgboss') order by name`
  const found: string[] = []
  for (const { name } of tables) {
    const rows = await sql.unsafe(`select from ${name} t where position($1 in t::text) > 0 limit 1`, [text])
    if (rows.length > 0) found.push(name)
  }
  return found
}

export async function erase(
  h: Harness,
  subject: { client_id: string; phone_number?: string; call_id?: string },
) {
  const { status, body } = await asked(h)('POST', '/admin/erasures', subject)
  if (status !== 202) throw new Error(`status ${status}: ${JSON.stringify(body)}`)
  return (body as { id: string }).id
}

export const receiptOf = async (h: Harness, id: string) =>
  (await asked(h)('GET', `/admin/erasures/${id}`)).body as Receipt

export const finished = (h: Harness, id: string) =>
  eventually(
    async () => {
      const receipt = await receiptOf(h, id)
      return receipt.status === 'done' && receipt
    },
    'the end of the erasure',
    60,
  )
