import t from 'tap'
import type { FaultKind } from '../../../sandbox/crm/server.ts'
import { asOwner, build, eventually, type Harness, type TestClient } from '../../helper.ts'
import { fullReport, messagesOf, newCall } from './messages.ts'

const CALLER = '+12505550188'
const NOTES = /^\/contacts\/[^/]+\/notes$/

const notesIn = ({ crm }: Harness, { locationId }: TestClient) =>
  crm.location(locationId).contacts.flatMap(({ notes }) => notes)

/** Nobody here waits a minute for a note to turn up, or for a CRM that is back to be tried again. */
async function hurry({ app }: Harness) {
  await asOwner(app)`
    update crm_syncs set note_attempted_at = note_attempted_at - interval '1 minute'
    where note_id is null and note_attempted_at between now() - interval '50 seconds' and now() - interval '10 seconds'`
  await asOwner(app)`delete from crm_pauses where paused_at < now() - interval '2 seconds'`
  await asOwner(app)`
    update pgboss.job set start_after = now()
    where name = 'crm-sync' and state in ('created', 'retry') and created_on < now() - interval '2 seconds'
      and start_after between now() + interval '2 seconds' and now() + interval '5 minutes'`
}

const synced = (harness: Harness, callId: string, seconds = 60) =>
  eventually(
    async () => {
      await hurry(harness)
      const rows = await asOwner(harness.app)`
        select from voice_sessions s join crm_syncs c on c.voice_session_id = s.id
        where s.vapi_call_id = ${callId} and c.synced_at is not null`
      return rows.length > 0
    },
    'the call to be synced',
    seconds,
  )

/** Whether the first note that was sent for a client has been dealt with, if nobody waits for the answer any more. */
function late({ crm }: Harness, client: TestClient | undefined): boolean {
  const first = crm.exchanges.find(
    ({ request }) =>
      request.method === 'POST' &&
      NOTES.test(request.path) &&
      request.headers.authorization === `Bearer ${client?.token}`,
  )
  return first?.response !== undefined
}

async function deadLetters({ app }: Harness, { id }: TestClient) {
  return await asOwner(app)<{ output: unknown; data: unknown }[]>`
    select data, output from pgboss.job where name = 'crm-sync-dead' and data ->> 'clientId' = ${id}`
}

t.test('one note, whatever becomes of the request that writes it', async (t) => {
  const harness = await build(t)
  const kinds: Record<string, FaultKind> = {
    'the connection drops after it was written': { type: 'drop-after-commit' },
    'the connection drops before it was written': { type: 'drop-before' },
    'status 500': { type: 'status', status: 500 },
    'status 503': { type: 'status', status: 503 },
    'an answer that is no JSON': { type: 'garbage' },
    'no answer at all': { type: 'hang' },
    'too many requests': { type: 'rate-limit', retryAfterSeconds: 1 },
    'a refused token that works later': { type: 'status', status: 401 },
    'it is written long after we gave up': { type: 'delay', ms: 6_500 },
  }
  const made = await Promise.all(
    Object.entries(kinds).map(async ([what, kind]) => {
      const client = await harness.addClient()
      const { locationId } = client
      harness.crm.fault({ match: { method: 'POST', path: NOTES, locationId }, times: 1, kind })
      const call = newCall(client.number, CALLER)
      await harness.webhook(messagesOf(call).report(0, fullReport()))
      await harness.webhook(messagesOf(call).report(0, fullReport()))
      return { what, client, call }
    }),
  )
  for (const { call } of made) await synced(harness, call.id)
  await eventually(() => late(harness, made.at(-1)?.client), 'what was written late')
  for (const { what, client } of made) {
    t.equal(notesIn(harness, client).length, 1, what)
    const created = harness.crm.ledger.filter(
      (one) => one.kind === 'note.created' && one.locationId === client.locationId,
    )
    t.equal(created.length, 1, `${what}: written once`)
    t.strictSame([...(await deadLetters(harness, client))], [], `${what}: nothing is dead`)
  }
})

t.test('one note and one contact, though each kind of request fails once in every way', async (t) => {
  const harness = await build(t)
  const client = await harness.addClient()
  const { locationId } = client
  for (const type of ['drop-after-commit', 'garbage'] as const) {
    for (const path of [/duplicate$/, /upsert$/, NOTES])
      harness.crm.fault({ match: { path, locationId }, times: 1, kind: { type } })
  }
  const call = newCall(client.number, CALLER)
  await harness.webhook(messagesOf(call).status('ringing', -90))
  await harness.webhook(messagesOf(call).report(0, fullReport()))
  await synced(harness, call.id)
  t.equal(harness.crm.location(locationId).contacts.length, 1)
  t.equal(notesIn(harness, client).length, 1)
})

t.test('a wrong token of one client does not hold up another', async (t) => {
  const harness = await build(t)
  const broken = await harness.addClient({ ghl_token: 'pit-wrong' })
  const fine = await harness.addClient()
  const calls = await Promise.all(
    [broken, broken, broken, fine].map(async (client) => {
      const call = newCall(client.number, CALLER)
      await harness.webhook(messagesOf(call).report(0, fullReport()))
      return call
    }),
  )
  await synced(harness, calls.at(-1)?.id ?? '', 10)
  t.equal(notesIn(harness, fine).length, 1)
  t.equal(harness.crm.location(broken.locationId).contacts.length, 0)
  t.strictSame([...(await deadLetters(harness, broken))], [], 'a token may be renewed: it is tried again')

  await asOwner(harness.app)`update clients set ghl_token = ${broken.token} where id = ${broken.id}`
  for (const call of calls) await synced(harness, call.id)
  t.equal(notesIn(harness, broken).length, 3)
})

t.test('what cannot get better is a dead letter at once, with its reason, and holds up nobody', async (t) => {
  const harness = await build(t)
  const poisoned = await harness.addClient()
  const fine = await harness.addClient()
  harness.crm.fault({
    match: { path: /^\/contacts/, locationId: poisoned.locationId },
    kind: { type: 'status', status: 422 },
  })
  for (const client of [poisoned, fine]) {
    const call = newCall(client.number, CALLER)
    await harness.webhook(messagesOf(call).report(0, fullReport()))
    if (client === fine) await synced(harness, call.id, 10)
  }
  t.equal(notesIn(harness, fine).length, 1)
  const letters = await eventually(
    async () => {
      const found = await deadLetters(harness, poisoned)
      return found.length > 0 && found
    },
    'the dead letter',
    10,
  )
  t.match(letters[0], { data: { clientId: poisoned.id, sessionId: String } })
  const requests = harness.crm.exchanges.filter(
    ({ request }) => request.query.locationId === poisoned.locationId,
  )
  t.equal(requests.length, 1, 'it was tried once')
})
