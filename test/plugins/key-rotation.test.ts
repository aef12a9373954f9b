import { randomBytes } from 'node:crypto'
import t from 'tap'
import { startCrmSandbox } from '../../sandbox/crm/server.ts'
import { createClientRepository } from '../../services/clients/repository.ts'
import { createDatabase } from '../../services/database/pool.ts'
import { createSecrets } from '../../services/secrets.ts'
import { build, createTestDatabase, eventually, type Harness, NOW } from '../helper.ts'
import { run } from '../scripts/program.ts'

// Eight servers are started, one after the other.
t.setTimeout(300_000)

const OLD = randomBytes(32).toString('hex')
const NEW = randomBytes(32).toString('base64')

t.test('the key is changed under load, on two instances, without one failed call', async (t) => {
  const databaseUrl = await createTestDatabase()
  const crm = await startCrmSandbox({ now: () => NOW, rateLimit: { max: 1_000_000, perMs: 10_000 } })
  t.teardown(() => crm.close())
  const sql = createDatabase({ url: databaseUrl, max: 1, deadlineMs: 20_000 })
  t.teardown(() => sql.end())
  const repository = createClientRepository({ sql, secrets: createSecrets([OLD]) })
  const clients = ['0001', '0002', '0003'].map((suffix) => ({
    number: `+1778555${suffix}`,
    locationId: `TestLocation0000${suffix}`,
    token: `pit-rotated-${suffix}`,
  }))
  for (const { number, locationId, token } of clients) {
    crm.addLocation({ id: locationId, token, timezone: 'America/Vancouver', calendars: [] })
    await repository.put({
      client_name: 'Riverside Plumbing',
      twilio_number: number,
      ghl_token: token,
      location_id: locationId,
    })
  }
  const start = async (keys: string) => ({
    server: await build(t, { databaseUrl, env: { ENCRYPTION_KEY: keys, GHL_BASE_URL: crm.url } }),
    busy: 0,
  })
  const instances = [await start(OLD), await start(OLD)]

  const failures: unknown[] = []
  const reported: string[] = []
  let going = true
  let calls = 0
  async function callers(number: number) {
    for (let turn = number; going; turn += 1) {
      const instance = instances[turn % instances.length]
      const client = clients[turn % clients.length]
      if (!instance || !client) throw new Error('there is always one')
      instance.busy += 1
      try {
        await oneCall(instance.server, client)
        calls += 1
      } catch (error) {
        failures.push(error)
      } finally {
        instance.busy -= 1
      }
    }
  }
  async function oneCall(server: Harness, client: { number: string }) {
    const player = await server.call(client)
    const ring = await player.ring()
    const tool = await player.tool('find_or_create_contact', { name: 'Ann Lee' })
    const report = await player.report({ transcript: 'AI: Hello.', summary: 'Said hello.' })
    const { results } = tool.body as { results?: { result?: string }[] }
    if (ring.status !== 200 || report.status !== 200 || results?.[0]?.result === undefined)
      throw new Error(JSON.stringify([ring.status, tool.body, report.status]))
    reported.push(player.callId)
  }
  async function someCalls(what: string) {
    const enough = calls + 2
    await eventually(() => calls >= enough || failures.length > 0, `calls ${what}`, 60)
  }
  async function restartWith(keys: string) {
    for (const [at, old] of instances.entries()) {
      instances[at] = await start(keys)
      await eventually(() => old.busy === 0, 'the calls of the old instance to end', 60)
      await old.server.close()
      await someCalls(`with one instance on ${keys === NEW ? 'the new key' : 'other keys'}`)
    }
  }
  const keysInUse = async () => {
    const rows = await sql`select distinct secret_key(ghl_token) as key from clients`
    return rows.length
  }

  const load = [callers(0), callers(1)]
  await someCalls('under the old key')
  await restartWith(`${OLD},${NEW}`)
  await restartWith(`${NEW},${OLD}`)
  const sealed = await run('clients.ts', ['seal', '--json'], {
    env: { DATABASE_URL: databaseUrl, ENCRYPTION_KEY: `${NEW},${OLD}` },
  })
  t.equal(sealed.code, 0, sealed.stderr)
  t.match(JSON.parse(sealed.stdout), { keysInUse: [], columns: [{ column: 'clients.ghl_token', sealed: 3 }] })
  t.equal(await keysInUse(), 1)
  await someCalls('after sealing')
  await restartWith(NEW)
  going = false
  await Promise.all(load)

  t.strictSame(failures, [])
  t.ok(calls >= 16, `${calls} calls`)
  const notes = () =>
    clients.flatMap(({ locationId }) => crm.location(locationId).contacts.flatMap((contact) => contact.notes))
  await eventually(() => notes().length >= reported.length, 'every note', 150)
  t.equal(notes().length, reported.length, 'one note a call')
})
