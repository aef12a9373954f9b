import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createClientRepository } from '../../../services/clients/repository.ts'
import { createDatabase } from '../../../services/database/pool.ts'
import { SERVER_ROLE } from '../../../services/database/repository.ts'
import { createToolRepository } from '../../../services/tools/repository.ts'
import { createTestDatabase } from '../../helper.ts'

const url = await createTestDatabase()
const owner = createDatabase({ url })
t.teardown(() => owner.end())
const clientId = await createClientRepository({ sql: owner }).put({
  client_name: 'Riverside Plumbing',
  twilio_number: '+17785550001',
  ghl_token: 'pit',
  location_id: 'loc',
})
await owner`
  insert into voice_sessions (client_id, vapi_call_id, ghl_contact_id) values (${clientId}, 'call', 'contact')`

/** The address with settings of PostgreSQL for each connection. */
function withSettings(settings: Record<string, string>) {
  const address = new URL(url)
  for (const [name, value] of Object.entries(settings)) address.searchParams.set(name, value)
  return address.href
}

/** PostgreSQL goes through whole tables, and so meets rows, and asks the policies, as early as it can. */
const noIndexes = withSettings({
  enable_indexscan: 'off',
  enable_indexonlyscan: 'off',
  enable_bitmapscan: 'off',
})

for (const [name, options] of Object.entries({
  'as it is': { url },
  'without indexes': { url: noIndexes },
  'behind a pooler': { url, pooled: true },
}))
  t.test(`statements that say themselves whose rows they mean see them: ${name}`, async (t) => {
    // One connection: what one statement says of the client must not be left for the next.
    const sql = createDatabase({ ...options, role: SERVER_ROLE, max: 1 })
    t.teardown(() => sql.end())
    const tools = createToolRepository({ sql })
    const startAt = Temporal.Instant.from('2026-08-21T16:00:00Z')
    // More than five times, after which PostgreSQL may plan for any values.
    for (let n = 0; n < 7; n += 1) {
      const [first, second] = [randomUUID(), randomUUID()]
      const run = { clientId, callId: 'call', toolCallId: `${name} ${n}` }
      const slot = { clientId, calendarId: name, startAt: startAt.add({ hours: n }) }
      const held = () => owner.forAllClients`
        select appointment_id, expires_at < now() + interval '4 seconds' as short from slot_holds
        where owner = ${first}`

      t.equal(await tools.contactOf(clientId, 'call'), 'contact')
      t.match(await tools.claim(run, first, 10), { mine: true, answer: null, erased: false })
      t.match(await tools.claim(run, second, 10), { mine: false, answer: null })
      await tools.answer(run, second, { answer: { result: 'not his' }, final: true, seconds: 5 })
      await tools.answer(run, first, { answer: { result: 'Booked.' }, final: true, seconds: 5 })
      t.match(await tools.claim(run, second, 10), { mine: false, answer: { result: 'Booked.' } })

      t.strictSame(await tools.hold(slot, 'ann', first, 10), { mine: true, contactId: null })
      t.strictSame(await tools.hold(slot, 'bob', second, 10), { mine: false, contactId: 'ann' })
      t.match(await held(), [{ appointment_id: null, short: false }])
      await tools.booked(slot, first, 'appointment')
      await tools.shorten(slot, first, 3)
      t.match(await held(), [{ appointment_id: 'appointment', short: true }])
      await tools.release(slot, second)
      t.equal((await held()).length, 1, 'it is not his')
      await tools.release(slot, first)
      t.equal((await held()).length, 0)
    }
  })

t.test('what is more than a day old goes with the next answer, and no more than that', async (t) => {
  const sql = createDatabase({ url: noIndexes, role: SERVER_ROLE, max: 1 })
  t.teardown(() => sql.end())
  const tools = createToolRepository({ sql })
  const me = randomUUID()
  for (const [toolCallId, seconds] of [
    ['old', -86_500],
    ['young', -86_300],
  ] as const)
    await tools.claim({ clientId, callId: 'old call', toolCallId }, me, seconds)
  const run = { clientId, callId: 'old call', toolCallId: 'now' }
  await tools.claim(run, me, 10)
  await tools.answer(run, me, { answer: { result: 'Done.' }, final: true, seconds: 5 })
  const left = await owner.forAllClients<{ tool_call_id: string }[]>`
    select tool_call_id from tool_runs where vapi_call_id = 'old call' order by 1`
  t.strictSame(
    left.map((row) => row.tool_call_id),
    ['now', 'young'],
  )
})
