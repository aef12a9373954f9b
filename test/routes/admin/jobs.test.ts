import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { ADMIN_TOKEN, asOwner, build, eventually, type Harness } from '../../helper.ts'
import { fullReport, messagesOf, newCall } from '../../services/calls/messages.ts'

const run = promisify(execFile)

interface Job {
  id: string
  state: string
  client: string
  attempts: number
  cause: string | null
}

const asked = (h: Harness) => async (method: 'GET' | 'POST', url: string, payload?: object) => {
  const response = await h.app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    ...(payload && { payload }),
  })
  return { status: response.statusCode, body: response.json() }
}

/** A call whose contact the CRM refuses: its work ends among the dead letters. */
async function giveUp(h: Harness, number: string) {
  h.crm.fault({
    match: { path: /^\/contacts/ },
    kind: { type: 'status', status: 422, body: { message: 'Ann Lee' } },
  })
  await h.webhook(messagesOf(newCall(number)).report(0, fullReport()))
  const dead = await eventually(async () => {
    const { body } = await asked(h)('GET', '/admin/jobs?state=dead')
    return (body as { jobs: Job[] }).jobs[0]
  }, 'the dead letter')
  h.crm.clearFaults()
  return dead
}

t.test('what was given up is seen with its cause and comes back, once', async (t) => {
  const h = await build(t)
  const ask = asked(h)
  const client = await h.addClient()
  const other = await h.addClient()
  const dead = await giveUp(h, client.number)
  t.match(dead, { state: 'dead', client: client.id, attempts: 1, cause: /422/ })
  t.notMatch(dead.cause, /Ann/, "another system's words are not repeated")
  t.match(await ask('GET', `/admin/jobs/${dead.id}`), { status: 200, body: { id: dead.id } })
  t.match(await ask('GET', `/admin/jobs?client=${other.id}`), { status: 200, body: { jobs: [] } })

  t.match(await ask('POST', '/admin/jobs/retry', { client: other.id }), { body: { moved: 0 } })
  t.match(await ask('POST', '/admin/jobs/retry', { id: dead.id }), { status: 200, body: { moved: 1 } })
  t.match(await ask('POST', '/admin/jobs/retry', { id: dead.id }), { status: 200, body: { moved: 0 } })
  const notes = () => h.crm.location(client.locationId).contacts.flatMap((contact) => contact.notes)
  await eventually(() => notes().length, 'the note')
  // What is done is done: bringing it back by hand a second time changes nothing.
  const [job] = await asOwner(h.app)<{ data: { sessionId: string } }[]>`
    select data from pgboss.job where name = 'crm-sync' and data ->> 'clientId' = ${client.id} limit 1`
  await h.app.jobs.add('crm-sync', { clientId: client.id, sessionId: job?.data.sessionId ?? '' })
  await eventually(async () => {
    await h.app.jobs.feed()
    return (await ask('GET', '/admin/jobs')).body.jobs.length === 0
  }, 'the queue to be empty')
  t.equal(notes().length, 1)
  const audit = await ask('GET', '/admin/audit')
  t.match(audit.body.entries[0], { operation: 'jobs.retry', details: { moved: 1 } })
})

t.test('a list is paged, and refuses what it does not know', async (t) => {
  const h = await build(t)
  const ask = asked(h)
  const { id: clientId } = await h.addClient()
  for (let n = 0; n < 5; n++)
    await h.app.jobs.add('crm-sync', { clientId, sessionId: crypto.randomUUID() }, 3_600)
  await h.app.jobs.feed()
  const seen: string[] = []
  let cursor = ''
  for (let page = 0; page < 3; page++) {
    const { body } = await ask('GET', `/admin/jobs?client=${clientId}&limit=2${cursor}`)
    seen.push(...body.jobs.map(({ id }: Job) => id))
    cursor = `&cursor=${body.next}`
    t.equal(body.next !== undefined, page < 2)
  }
  t.equal(new Set(seen).size, 5)
  t.match(await ask('GET', '/admin/jobs?state=sad'), { status: 400 })
  t.match(await ask('GET', '/admin/jobs?cursor=x'), { status: 400, body: { errors: [{ field: 'cursor' }] } })
  t.match(await ask('GET', `/admin/jobs/${crypto.randomUUID()}`), {
    status: 404,
    body: { code: 'JOB_UNKNOWN' },
  })
})

t.test('the command line does the same', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const dead = await giveUp(h, client.number)
  const env = { ...process.env, NODE_ENV: 'test', DATABASE_URL: h.app.database.url }
  const jobs = async (...args: string[]) =>
    (await run(process.execPath, ['scripts/jobs.ts', ...args], { env })).stdout
  t.match(await jobs('list', '--state', 'dead'), dead.id)
  t.match(JSON.parse(await jobs('list', '--json', '--client', client.id)), [{ id: dead.id, state: 'dead' }])
  t.match(await jobs('show', dead.id), /422/)
  t.match(await jobs('retry', dead.id), /1 queued again/)
  t.match(await jobs('retry', '--all'), /nothing to bring back/)
  await t.rejects(jobs('retry'), { code: 2, stderr: /<id> is missing/ })
  await t.rejects(jobs('list', '--state', 'sad'), { code: 2, stderr: /--state is one of/ })
  await eventually(() => h.crm.location(client.locationId).contacts[0]?.notes.length, 'the note')
})
