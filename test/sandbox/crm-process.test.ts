import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t from 'tap'
import { call, location } from './crm.ts'

const main = new URL('../../sandbox/crm/main.ts', import.meta.url).pathname

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the process has no output to read')
  for await (const line of createInterface({ input: child.stdout })) return line
  throw new Error('the process ended without a word')
}

t.test('the sandbox as a process, driven through its control routes', async (t) => {
  const dir = t.testdir({ 'seeds.json': JSON.stringify([location()]) })
  const child = spawn(process.execPath, [main, '--port', '0', '--seed', `${dir}/seeds.json`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const banner = await firstLine(child)
  t.match(banner, /sandbox/i)
  t.match(banner, /NOT GoHighLevel/)
  const url = /http:\/\/\S+/.exec(banner)?.[0] ?? ''
  const control = (method: string, path: string, body?: unknown) =>
    call(url, method, `/_sandbox${path}`, { body, version: null, headers: { authorization: '' } })

  const upsert = () =>
    call(url, 'POST', '/contacts/upsert', { body: { locationId: 'LOC1', phone: '+12505550188' } })
  t.equal((await upsert()).status, 200)
  t.match((await control('GET', '/ledger')).body, [{ kind: 'contact.created', locationId: 'LOC1' }])
  t.strictSame((await control('GET', '/ledger?after=1')).body, [])
  t.match((await control('GET', '/exchanges')).body, [
    { request: { path: '/contacts/upsert' }, response: { status: 200 } },
  ])
  t.match((await control('GET', '/locations/LOC1')).body, {
    id: 'LOC1',
    contacts: [{ phone: '+12505550188' }],
    appointments: [],
  })
  t.equal((await control('GET', '/locations/NONE')).status, 400)

  const second = location({ id: 'LOC2', token: 'pit-two', calendars: [] })
  t.equal((await control('POST', '/locations', second)).status, 201)
  t.equal((await control('POST', '/locations', second)).status, 400)
  t.equal((await call(url, 'GET', '/locations/LOC2', { token: 'pit-two' })).status, 200)

  const fault = {
    match: { pathPattern: '^/contacts', method: 'POST' },
    kind: { type: 'status', status: 500 },
  }
  const made = await control('POST', '/faults', fault)
  t.equal(made.status, 201)
  t.equal((await upsert()).status, 500)
  t.match((await control('GET', '/faults')).body, [{ id: made.body.id }])
  t.equal((await control('DELETE', `/faults/${made.body.id}`)).status, 204)
  t.equal((await control('DELETE', `/faults/${made.body.id}`)).status, 404)
  t.equal((await upsert()).status, 200)
  await control('POST', '/faults', { kind: { type: 'rate-limit', retryAfterSeconds: 1 }, times: 5 })
  t.equal((await upsert()).status, 429)
  t.equal((await control('DELETE', '/faults')).status, 204)
  t.equal((await control('POST', '/faults', { kind: { type: 'explode' } })).status, 400)
  t.equal((await control('POST', '/faults', { ...fault, match: { pathPattern: '(' } })).status, 422)

  await control('POST', '/faults', { kind: { type: 'hang' } })
  const hanging = t.rejects(upsert())
  while ((await control('GET', '/exchanges?after=5')).body.length === 0);
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  t.strictSame(await exit, [0, null])
  await hanging
})

t.test('a bad seed file stops it', async (t) => {
  const dir = t.testdir({ 'seeds.json': JSON.stringify([{ id: 'x' }]) })
  const child = spawn(process.execPath, [main, '--port', '0', '--seed', `${dir}/seeds.json`], {
    stdio: 'ignore',
  })
  const [code] = await once(child, 'exit')
  t.not(code, 0)
})
