import t from 'tap'
import { startVapiApi, type VapiApiOptions } from '../../sandbox/vapi-api.ts'

const ID = '7420f27a-30fd-4f49-a995-5549ae7cc00d'

async function bench(t: { teardown(fn: () => Promise<void>): void }, options: Partial<VapiApiOptions> = {}) {
  const vapi = await startVapiApi({ key: 'secret', ...options })
  t.teardown(() => vapi.close())
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(vapi.url + path, { redirect: 'manual', headers: { authorization: 'Bearer secret' }, ...init })
  return { vapi, ask }
}

t.test('a recording is a redirect to an address that expires', async (t) => {
  let now = Temporal.Instant.from('2026-08-20T12:00:00Z')
  const { vapi, ask } = await bench(t, { now: () => now })
  vapi.addCall({ id: ID })
  for (const kind of ['mono', 'stereo']) {
    const answer = await ask(`/call/${ID}/${kind}-recording`)
    t.equal(answer.status, 302)
    const to = answer.headers.get('location') ?? ''
    t.match(to, new RegExp(`^${vapi.url}/storage/[0-9a-f]{32}\\.wav\\?expires=\\d+$`))
    const file = await fetch(to)
    t.equal(file.status, 200, 'without a key')
    t.equal(file.headers.get('content-type'), 'audio/wav')
    t.equal(Buffer.from(await file.arrayBuffer()).toString('latin1', 0, 4), 'RIFF')
    now = now.add({ minutes: 2 })
    t.equal((await fetch(to)).status, 403)
  }
})

t.test('what is not there and who may not', async (t) => {
  const { vapi, ask } = await bench(t)
  vapi.addCall({ id: ID }, false)
  t.equal((await ask(`/call/${ID}/mono-recording`)).status, 404)
  t.equal((await ask('/call/none/mono-recording')).status, 404)
  t.equal((await ask('/call/none')).status, 404)
  t.equal((await ask('/storage/none.wav?expires=1')).status, 404)
  t.equal((await ask('/nowhere')).status, 404)
  for (const authorization of ['', 'Bearer wrong', 'secret']) {
    t.equal((await ask(`/call/${ID}`, { headers: { authorization } })).status, 401)
    t.equal((await ask(`/call/${ID}/mono-recording`, { headers: { authorization } })).status, 401)
  }
})

t.test('calls are listed newest first, filtered and limited', async (t) => {
  const { vapi, ask } = await bench(t)
  for (const hour of ['09', '11', '10']) {
    vapi.addCall({ id: hour, createdAt: `2026-08-20T${hour}:00:00.000Z`, assistantId: `a${hour}` })
  }
  const ids = async (query: string) =>
    ((await (await ask(`/call${query}`)).json()) as { id: string }[]).map((each) => each.id)
  t.strictSame(await ids(''), ['11', '10', '09'])
  t.strictSame(await ids('?limit=1'), ['11'])
  t.strictSame(await ids('?createdAtGt=2026-08-20T09:00:00Z&createdAtLt=2026-08-20T11:00:00Z'), ['10'])
  t.strictSame(await ids('?createdAtGe=2026-08-20T10:00:00Z'), ['11', '10'])
  t.strictSame(await ids('?updatedAtLe=2026-08-20T09:00:00Z'), ['09'])
  t.strictSame(await ids('?assistantId=a10'), ['10'])
  for (const query of ['?createdAtGt=today', '?limit=1001', '?limit=many', '?page=1']) {
    t.equal((await ask(`/call${query}`)).status, 400, query)
  }
})

t.test('a call is read and deleted with its recording', async (t) => {
  const { vapi, ask } = await bench(t)
  vapi.addCall({ id: ID, status: 'ended' })
  t.match(await (await ask(`/call/${ID}`)).json(), {
    id: ID,
    orgId: String,
    createdAt: String,
    status: 'ended',
  })
  const link = (await ask(`/call/${ID}/mono-recording`)).headers.get('location') ?? ''
  const gone = await ask(`/call/${ID}`, { method: 'DELETE' })
  t.equal(gone.status, 200)
  t.match(await gone.json(), { id: ID })
  t.equal((await ask(`/call/${ID}`)).status, 404)
  t.equal((await fetch(link)).status, 404)
  t.equal(vapi.calls.length, 0)
})

t.test('faults and exchanges are as in the CRM sandbox', async (t) => {
  const { vapi, ask } = await bench(t)
  vapi.addCall({ id: ID })
  const remove = vapi.fault({ match: { path: '*-recording' }, kind: { type: 'status', status: 503 } })
  t.equal((await ask(`/call/${ID}/mono-recording`)).status, 503)
  t.equal((await ask(`/call/${ID}`)).status, 200)
  remove()
  vapi.fault({ kind: { type: 'drop-after-commit' }, times: 1 })
  await t.rejects(ask(`/call/${ID}`, { method: 'DELETE' }))
  t.equal(vapi.calls.length, 0)
  vapi.fault({ kind: { type: 'hang' } })
  vapi.clearFaults()
  t.equal((await ask('/call')).status, 200)
  t.strictSame(
    vapi.exchanges.map((each) => each.response?.status),
    [503, 200, undefined, 200],
  )
})
