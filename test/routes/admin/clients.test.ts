import { connect } from 'node:net'
import t from 'tap'
import { ADMIN_TOKEN, asOwner, build, eventually, type Harness, TOKEN } from '../../helper.ts'

type Answer = { statusCode: number; headers: Record<string, unknown>; json: () => Record<string, unknown> }

/** Asks as the operator `tests`. */
const asker =
  ({ app }: Harness) =>
  async (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: unknown): Promise<Answer> =>
    app.inject({
      method,
      url,
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { payload: JSON.stringify(body) }),
    })

const NEW = {
  client_name: '  Harbour \n Dental ',
  twilio_number: '(604) 555-0101',
  ghl_token: 'pit-harbour-dental-4711',
  location_id: 'HarbourLocation00001',
  timezone: 'america/vancouver',
  settings: { hours: 'Mon to Fri', services: ['Cleaning'], transfer_number: '+16045550199' },
}

t.test('a client is added, read, changed and removed', async (t) => {
  const harness = await build(t)
  const ask = asker(harness)
  const added = await ask('POST', '/admin/clients', NEW)
  t.equal(added.statusCode, 201)
  const client = added.json()
  t.match(client, {
    client_name: 'Harbour Dental',
    twilio_number: '+16045550101',
    ghl_token_last4: '4711',
    calendar_id: null,
    timezone: 'America/Vancouver',
    settings: NEW.settings,
    status: 'active',
    problems: [],
  })
  const url = `/admin/clients/${client.id}`
  t.strictSame((await ask('GET', url)).json(), client)
  t.notMatch(JSON.stringify(client), /pit-|sealed/, 'the token does not come out')

  const [stored] = await asOwner(harness.app)`select ghl_token from clients where id = ${String(client.id)}`
  t.match(stored?.ghl_token, /^sealed:v1:/)
  t.equal(harness.app.secrets.open(stored?.ghl_token, `clients.ghl_token:${client.id}`), NEW.ghl_token)

  const changed = await ask('PATCH', url, {
    calendar_id: 'HarbourCalendar00001',
    settings: { hours: null, greeting: 'Ahoy' },
  })
  t.equal(changed.statusCode, 200)
  t.match(changed.json(), { calendar_id: 'HarbourCalendar00001', client_name: 'Harbour Dental' })
  t.strictSame(
    changed.json().settings,
    { greeting: 'Ahoy', services: ['Cleaning'], transfer_number: '+16045550199' },
    'what is named changes, null takes away, the rest stays',
  )
  t.equal((await ask('PATCH', url, { ghl_token: 'pit-harbour-dental-0815' })).json().ghl_token_last4, '0815')

  for (const confirm of ['', '?confirm=', '?confirm=Somebody%20Else', '?confirm=6045550102']) {
    const refused = await ask('DELETE', url + confirm)
    t.match([refused.statusCode, refused.json()], [400, { errors: [{ field: 'confirm' }] }], confirm)
  }
  t.equal((await ask('DELETE', `${url}?confirm=Harbour%20Dental`)).statusCode, 204)
  for (const method of ['GET', 'PATCH', 'DELETE'] as const) {
    const gone = await ask(method, url, method === 'PATCH' ? { status: 'active' } : undefined)
    t.match(
      [gone.statusCode, gone.json()],
      [404, { code: 'CLIENT_UNKNOWN' }],
      `${method} of one that is gone`,
    )
  }
  t.equal((await ask('GET', '/admin/clients/nobody')).statusCode, 404)
})

t.test('whatever is wrong is named by its field', async (t) => {
  const ask = asker(await build(t))
  const cases: [change: Record<string, unknown>, field: string, detail: RegExp][] = [
    [{ client_name: undefined }, 'client_name', /is required/],
    [{ client_name: '' }, 'client_name', /must not be empty/],
    [{ client_name: ' ' }, 'client_name', /does not fit/],
    [{ client_name: 7 }, 'client_name', /must be text/],
    [{ twilio_number: '12' }, 'twilio_number', /is not a phone number/],
    [{ ghl_token: undefined }, 'ghl_token', /is required/],
    [{ ghl_token: '' }, 'ghl_token', /does not fit/],
    [{ ghl_token: 'pit\r\nx-evil: 1' }, 'ghl_token', /does not fit/],
    [{ ghl_token: 'sealed:v1:00000000:AAAA' }, 'ghl_token', /does not fit/],
    [{ location_id: 'a/b' }, 'location_id', /does not fit/],
    [{ calendar_id: 5 }, 'calendar_id', /must be text/],
    [{ timezone: 'Mars/Olympus' }, 'timezone', /is not an IANA zone/],
    [{ timezone: '+02:00' }, 'timezone', /is not an IANA zone/],
    [{ status: 'dormant' }, 'status', /must be one of active, paused/],
    [{ id: '1' }, 'id', /is not known/],
    [{ settings: [] }, 'settings', /must be an object/],
    [{ settings: { opening: 'x' } }, 'settings.opening', /is not known/],
    [{ settings: { hours: 24 } }, 'settings.hours', /must be text/],
    [{ settings: { services: ['a', 7] } }, 'settings.services.1', /must be text/],
    [{ settings: { language: 'xx' } }, 'settings.language', /must be one of en, es/],
    [
      { settings: { voice: { provider: 'x', voiceId: 'y' } } },
      'settings.voice.provider',
      /one of vapi, 11labs/,
    ],
    [{ settings: { voice: { provider: '11labs', voiceId: 'y' } } }, 'settings.voice.voiceId', /does not fit/],
    [
      { settings: { voice: { provider: 'vapi', voiceId: 'y', pitch: 1 } } },
      'settings.voice.pitch',
      /not known/,
    ],
    [{ settings: { voice: 'loud' } }, 'settings.voice', /must be an object/],
    [{ settings: { model: { provider: 'openai', model: 'x' } } }, 'settings.model.model', /one of gpt-4\.1/],
    [{ settings: { mcp_tools: { alow: [] } } }, 'settings.mcp_tools.alow', /is not known/],
    [{ settings: { max_duration_seconds: 5 } }, 'settings.max_duration_seconds', /at least 60/],
    [{ settings: { transfer_number: '+1604' } }, 'settings.transfer_number', /does not fit/],
    [
      { settings: { transfer_number: `+16045${'0'.repeat(9)}` } },
      'settings.transfer_number',
      /not a phone number/,
    ],
  ]
  const added = await ask('POST', '/admin/clients', { ...NEW, twilio_number: '+16045550110' })
  const url = `/admin/clients/${added.json().id}`
  for (const [change, field, detail] of cases) {
    const name = JSON.stringify(change)
    const expected = [400, { code: 'INVALID_INPUT', detail, errors: [{ field }] }]
    const refused = await ask('POST', '/admin/clients', { ...NEW, ...change })
    t.match([refused.statusCode, refused.json()], expected, `new: ${name}`)
    // To leave something out is a change like any other.
    if (Object.values(change)[0] === undefined) continue
    const unchanged = await ask('PATCH', url, change)
    t.match([unchanged.statusCode, unchanged.json()], expected, `change: ${name}`)
    t.notMatch(JSON.stringify([refused.json(), unchanged.json()]), /pit-|evil|AAAA/)
  }
  for (const body of [[], 'text', null, {}]) {
    t.equal((await ask('PATCH', url, body)).statusCode, 400, JSON.stringify(body))
    t.equal((await ask('POST', '/admin/clients', body)).statusCode, 400, JSON.stringify(body))
  }
  t.strictSame((await ask('GET', url)).json(), added.json(), 'nothing of it was done')
})

t.test('a number has one client', async (t) => {
  const ask = asker(await build(t))
  const first = await ask('POST', '/admin/clients', { ...NEW, twilio_number: '+16045550120' })
  const second = await ask('POST', '/admin/clients', { ...NEW, twilio_number: '+16045550121' })
  t.strictSame([first.statusCode, second.statusCode], [201, 201])
  const taken = { code: 'NUMBER_TAKEN', errors: [{ field: 'twilio_number' }] }
  const again = await ask('POST', '/admin/clients', { ...NEW, twilio_number: '604-555-0120' })
  t.match([again.statusCode, again.json()], [409, taken])
  const moved = await ask('PATCH', `/admin/clients/${second.json().id}`, { twilio_number: '+1 604 555 0120' })
  t.match([moved.statusCode, moved.json()], [409, taken])
})

t.test('two changes at once both count', async (t) => {
  const ask = asker(await build(t))
  const { id } = (await ask('POST', '/admin/clients', { ...NEW, twilio_number: '+16045550130' })).json()
  const settings = Array.from({ length: 8 }, (_, at) => ({
    [['hours', 'greeting', 'instructions', 'business_details'][at % 4] as string]: `text ${at}`,
  }))
  const answers = await Promise.all(
    settings.map((change) => ask('PATCH', `/admin/clients/${id}`, { settings: change })),
  )
  t.ok(answers.every(({ statusCode }) => statusCode === 200))
  t.match((await ask('GET', `/admin/clients/${id}`)).json().settings, {
    hours: /text/,
    greeting: /text/,
    instructions: /text/,
    business_details: /text/,
    services: ['Cleaning'],
  })
})

t.test('lists go page by page in the order of names', async (t) => {
  const harness = await build(t)
  const ask = asker(harness)
  const names = ['zeta List', 'Alpha List', 'beta List', 'Alpha List', '100%_List']
  for (const [at, client_name] of names.entries())
    await ask('POST', '/admin/clients', { ...NEW, client_name, twilio_number: `+1604555014${at}` })
  const seen: unknown[] = []
  let cursor = ''
  do {
    const page = (await ask('GET', `/admin/clients?q=lIST&limit=2${cursor}`)).json()
    const clients = page.clients as Record<string, unknown>[]
    t.ok(clients.length <= 2)
    seen.push(...clients.map(({ client_name }) => client_name))
    cursor = page.next ? `&cursor=${page.next}` : ''
  } while (cursor)
  t.strictSame(seen, ['100%_List', 'Alpha List', 'Alpha List', 'beta List', 'zeta List'])

  const found = async (query: string) =>
    ((await ask('GET', `/admin/clients?${query}`)).json().clients as { client_name: string }[]).map(
      ({ client_name }) => client_name,
    )
  t.strictSame(await found('q=5550142'), ['beta List'], 'by digits of the number')
  t.strictSame(await found('q=604-555-0142'), ['beta List'], 'as a number is written')
  t.strictSame(await found('q=%25_l'), ['100%_List'], 'no wildcards')
  const { id } = ((await ask('GET', '/admin/clients?q=zeta')).json().clients as { id: string }[])[0] ?? {}
  await ask('PATCH', `/admin/clients/${id}`, { status: 'paused' })
  t.strictSame(await found('q=list&status=paused'), ['zeta List'])
  t.equal((await found('q=list&status=active')).length, 4)
  for (const query of ['limit=0', 'limit=201', 'limit=x', 'cursor=x', 'cursor=bnVsbA', 'page=2', 'q='])
    t.equal((await ask('GET', `/admin/clients?${query}`)).statusCode, 400, query)
})

t.test('other instances see a change at once', async (t) => {
  const one = await build(t)
  const other = await build(t)
  const ask = asker(one)
  const { id } = (await ask('POST', '/admin/clients', { ...NEW, twilio_number: '+16045550150' })).json()
  const seen = async () => (await other.app.clients.byNumber('+16045550150')).client
  t.equal((await seen())?.settings.greeting, undefined)
  await ask('PATCH', `/admin/clients/${id}`, { settings: { greeting: 'Ahoy' } })
  await eventually(async () => (await seen())?.settings.greeting === 'Ahoy', 'the new greeting')
  await ask('PATCH', `/admin/clients/${id}`, { ghl_token: 'pit-another-token-0001' })
  await eventually(async () => (await seen())?.crm.token === 'pit-another-token-0001', 'the new token')
  await ask('PATCH', `/admin/clients/${id}`, { status: 'paused' })
  await eventually(async () => (await seen())?.active === false, 'the pause')
  await ask('DELETE', `/admin/clients/${id}?confirm=%2B16045550150`)
  await eventually(async () => (await seen()) === undefined, 'the removal')
})

t.test('what is removed takes its calls along, and nobody else’s', async (t) => {
  const harness = await build(t)
  const ask = asker(harness)
  const [gone, stays] = [await harness.addClient(), await harness.addClient()]
  const sql = asOwner(harness.app)
  for (const { id } of [gone, stays])
    await sql`
      with calls as (
        insert into voice_sessions (client_id, vapi_call_id)
        select ${id}, ${id} || n from generate_series(1, 2500) n returning vapi_call_id
      )
      insert into call_events (client_id, vapi_call_id, event_key, type)
      select ${id}, vapi_call_id, 'x', 'x' from calls`
  t.equal(
    (await ask('DELETE', `/admin/clients/${gone.id}?confirm=${encodeURIComponent(gone.number)}`)).statusCode,
    204,
  )
  const left = await sql`
    select client_id, count(*)::int as calls from voice_sessions where client_id = any(${[gone.id, stays.id]}::uuid[])
    group by client_id`
  t.strictSame([...left], [{ client_id: stays.id, calls: 2500 }])
  const events = await sql`select distinct client_id from call_events where type = 'x'`
  t.strictSame([...events], [{ client_id: stays.id }])
})

t.test('without ADMIN_TOKEN there is nothing under /admin', async (t) => {
  const harness = await build(t, { env: { ADMIN_TOKEN: undefined } })
  for (const token of [ADMIN_TOKEN, TOKEN, '', 'undefined'])
    for (const url of ['/admin/clients', '/admin/audit', '/admin'])
      for (const method of ['GET', 'POST'] as const) {
        const { statusCode } = await harness.app.inject({
          method,
          url,
          headers: { authorization: `Bearer ${token}` },
        })
        t.equal(statusCode, 404, `${method} ${url}`)
      }
})

t.test('operators have tokens of their own, and names', async (t) => {
  const { app } = await build(t, { env: { ADMIN_TOKEN: 'ann:token-of-ann, token-without-name' } })
  const status = async (authorization?: string) =>
    (await app.inject({ url: '/admin/clients', headers: authorization ? { authorization } : {} })).statusCode
  for (const token of ['token-of-ann', 'token-without-name'])
    t.equal(await status(`Bearer ${token}`), 200, token)
  for (const wrong of ['', 'ann', 'ann:token-of-ann', 'token-of-an', 'token-of-ann2', TOKEN, ADMIN_TOKEN])
    t.equal(await status(`Bearer ${wrong}`), 401, wrong)
  for (const wrong of [undefined, 'token-of-ann', 'Basic token-of-ann'])
    t.equal(await status(wrong), 401, String(wrong))
})

t.test('a stranger is sent away before the body is read', async (t) => {
  const { app } = await build(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  const socket = connect(typeof address === 'object' && address ? address.port : 0, '127.0.0.1')
  t.teardown(() => socket.destroy())
  // A body is promised and never comes.
  socket.write(
    'POST /admin/clients HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
      'authorization: Bearer wrong\r\ncontent-length: 100000\r\n\r\n',
  )
  const answer = await new Promise<string>((resolve, reject) => {
    socket.once('data', (chunk) => resolve(chunk.toString()))
    socket.once('error', reject)
  })
  t.match(answer, /^HTTP\/1\.1 401 /)
})
