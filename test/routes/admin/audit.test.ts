import t from 'tap'
import { ADMIN_TOKEN, asOwner, build } from '../../helper.ts'

const SECRETS = { token: 'pit-planted-1-9999', second: 'pit-planted-2-9999' }

t.test('each change leaves a row that says who, what and when, and no secret', async (t) => {
  const { app } = await build(t, { env: { ADMIN_TOKEN: `ann:${ADMIN_TOKEN}, bob:token-of-bob` } })
  const ask = async (
    token: string,
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    payload?: object,
  ) => app.inject({ method, url, headers: { authorization: `Bearer ${token}` }, ...(payload && { payload }) })
  const body = {
    client_name: 'Audited',
    twilio_number: '+16045550160',
    ghl_token: SECRETS.token,
    location_id: 'AuditLocation',
    settings: { greeting: 'Private words' },
  }
  const { id } = (await ask(ADMIN_TOKEN, 'POST', '/admin/clients', body)).json()
  const url = `/admin/clients/${id}`
  const change = {
    ghl_token: SECRETS.second,
    client_name: 'Renamed',
    settings: { greeting: null, hours: 'Never' },
  }
  await ask('token-of-bob', 'PATCH', url, change)
  await ask('token-of-bob', 'PATCH', url, { timezone: 'nowhere' })
  await ask('token-of-bob', 'POST', '/admin/clients', body)
  await ask(ADMIN_TOKEN, 'DELETE', `${url}?confirm=Audited`)
  await ask(ADMIN_TOKEN, 'DELETE', `${url}?confirm=Renamed`)

  const answer = await ask(ADMIN_TOKEN, 'GET', `/admin/audit?client=${id}`)
  const { entries } = answer.json()
  t.match(entries, [
    { operator: 'ann', operation: 'clients.remove', client: id, details: { client_name: 'Renamed' } },
    {
      operator: 'bob',
      operation: 'clients.change',
      client: id,
      details: {
        changed: ['client_name', 'ghl_token', 'settings.greeting', 'settings.hours'],
        values: { client_name: { from: 'Audited', to: 'Renamed' } },
      },
    },
    {
      operator: 'ann',
      operation: 'clients.add',
      client: id,
      at: /^\d{4}-.*Z$/,
      details: { client_name: 'Audited', twilio_number: '…0160', settings: ['greeting'] },
    },
  ])
  t.equal(entries.length, 3, 'nothing of what was refused, and it outlives the client')
  t.notMatch(answer.body, /planted|sealed|Private|Never|6045550160/)
  const [rows] = await asOwner(app)`select json_agg(a)::text as all from audit_log a`
  t.notMatch(rows?.all, /planted|sealed|Private|Never|6045550160/)
})

t.test('the log is read page by page', async (t) => {
  const { app } = await build(t)
  const ask = (query: string) =>
    app.inject({ url: `/admin/audit?${query}`, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  const id = '33333333-3333-4333-8333-333333333333'
  for (let number = 1; number <= 5; number += 1)
    await app.admin.audit.write({ operator: 'ann', operation: 'test', clientId: id, details: { number } })
  const seen: number[] = []
  let next = ''
  do {
    const page = (await ask(`client=${id}&limit=2${next}`)).json()
    seen.push(...page.entries.map(({ details }: { details: { number: number } }) => details.number))
    next = page.next ? `&cursor=${page.next}` : ''
  } while (next)
  t.strictSame(seen, [5, 4, 3, 2, 1])
  for (const query of ['client=x', 'cursor=x', 'limit=0', 'who=ann'])
    t.equal((await ask(query)).statusCode, 400, query)
})

t.test('a change without its row in the log is no change', async (t) => {
  const { app } = await build(t)
  const sql = asOwner(app)
  await sql`alter table audit_log add constraint nothing_more check (operation <> 'clients.add')  not valid`
  const payload = {
    client_name: 'Unaudited',
    twilio_number: '+16045550170',
    ghl_token: SECRETS.token,
    location_id: 'AuditLocation',
  }
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
  const { statusCode } = await app.inject({ method: 'POST', url: '/admin/clients', headers, payload })
  await sql`alter table audit_log drop constraint nothing_more`
  t.equal(statusCode, 500)
  t.strictSame([...(await sql`select id from clients where client_name = 'Unaudited'`)], [])
})

t.test('the server cannot change what the log says', async (t) => {
  const { app } = await build(t)
  await t.rejects(app.sql`delete from audit_log`, { code: '42501' })
  await t.rejects(app.sql`update audit_log set operator = 'nobody'`, { code: '42501' })
})
