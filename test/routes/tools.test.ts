import t from 'tap'
import { asOwner, build, createTestDatabase, eventually, TOKEN } from '../helper.ts'
import { startProxy } from '../proxy.ts'
import { CALLER, rest, sourceOf } from '../services/tools/kit.ts'

const BOOK = 'book_appointment'
const FIND = 'find_or_create_contact'
const CHECK = 'check_availability'
const NOBODY = '00000000-0000-4000-8000-000000000000'

t.test('the documented JSON', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const client_id = client.id

  const made = await rest(h, FIND, {
    client_id,
    phone: '(250) 555-0188',
    email: 'ann@example.com',
    name: 'Ann Lee',
  })
  t.equal(made.status, 200)
  const contactId = h.crm.location(client.locationId).contacts[0]?.id
  t.strictSame(made.body, {
    contactId,
    existed: false,
    contact: {
      id: contactId,
      name: 'Ann Lee',
      firstName: 'Ann',
      lastName: 'Lee',
      email: 'ann@example.com',
      phone: CALLER,
    },
  })
  const found = await rest(h, FIND, { client_id, email: 'ANN@example.com' })
  t.strictSame(found.body, { ...made.body, existed: true })

  const free = await rest(h, CHECK, { client_id, start_date: '2026-08-21', end_date: '2026-08-21' })
  t.equal(free.status, 200)
  t.equal(free.body.success, true)
  t.match(free.body.slots, [{ start_time: '2026-08-21T09:00:00-07:00' }])

  const booked = await rest(h, BOOK, {
    client_id,
    contact_id: contactId,
    start_time: '2026-08-21T09:00:00-07:00',
    end_time: '2026-08-21T09:30:00-07:00',
    title: 'Estimate',
    notes: 'Bring the ladder',
  })
  t.equal(booked.status, 200)
  const [appointment] = h.crm.location(client.locationId).appointments
  t.strictSame(booked.body, {
    success: true,
    appointment: {
      id: appointment?.id,
      contact_id: contactId,
      start_time: '2026-08-21T09:00:00-07:00',
      end_time: '2026-08-21T09:30:00-07:00',
      title: 'Estimate',
    },
  })
  t.match(appointment, { contactId, title: 'Estimate', description: 'Bring the ladder' })
})

t.test('400 names the field', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const client_id = client.id
  const cases = [
    [FIND, {}, 'client_id'],
    [FIND, { client_id: 'not-a-uuid' }, 'client_id'],
    [FIND, { client_id: 7 }, 'client_id'],
    [FIND, { client_id }, 'phone'],
    [FIND, { client_id, phone: 'call me' }, 'phone'],
    [FIND, { client_id, email: 'ann' }, 'email'],
    [FIND, { client_id, phone: 2505550188 }, 'phone'],
    [FIND, { client_id, phone: CALLER, location_id: 'x' }, 'location_id'],
    [CHECK, { client_id, start_date: 'soon' }, 'start_date'],
    [CHECK, { client_id, end_date: '2026-08-01' }, 'end_date'],
    [CHECK, { client_id, part_of_day: 'teatime' }, 'part_of_day'],
    [CHECK, { client_id, not_before: 'noonish' }, 'not_before'],
    [BOOK, { client_id }, 'start_time'],
    [BOOK, { client_id, start_time: 'soon', phone: CALLER }, 'start_time'],
    [
      BOOK,
      { client_id, start_time: '2026-08-21T10:00', end_time: '2026-08-21T09:00', phone: CALLER },
      'end_time',
    ],
    [BOOK, { client_id, start_time: '2026-08-21T10:00' }, 'phone'],
  ] as const
  for (const [tool, body, field] of cases) {
    const answer = await rest(h, tool, body)
    t.match(
      answer,
      { status: 400, body: { status: 400, code: 'INVALID_INPUT', errors: [{ field }] } },
      JSON.stringify(body),
    )
    t.match(answer.headers['content-type'], /^application\/problem\+json/)
    t.ok(answer.body.requestId)
  }
  for (const body of ['{"client_id":', '', '[]', '"text"', 'null']) {
    t.equal((await rest(h, FIND, body)).status, 400, body)
  }
  t.equal(h.crm.ledger.filter(({ kind }) => kind === 'appointment.created').length, 0)
})

t.test('401, before the body is read', async (t) => {
  const h = await build(t)
  const none: Record<string, string>[] = [
    { authorization: '' },
    { authorization: 'Bearer wrong' },
    { authorization: `Basic ${TOKEN}` },
  ]
  for (const headers of none) {
    const answer = await rest(h, FIND, '{"broken', headers)
    t.match(answer, { status: 401, body: { code: 'UNAUTHORIZED' } })
    t.match(answer.headers['www-authenticate'], /^Bearer realm=/)
  }
})

t.test('404 for a tool or a client that is not there', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  t.match(await rest(h, 'delete_everything', { client_id: client.id }), {
    status: 404,
    body: { status: 404 },
  })
  t.match(await rest(h, '__proto__', { client_id: client.id }), { status: 404 })
  t.match(await rest(h, FIND, { client_id: NOBODY, phone: CALLER }), {
    status: 404,
    body: { code: 'CLIENT_UNKNOWN' },
  })
})

t.test('409 with alternatives for a time that is taken', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const wish = { client_id: client.id, start_time: '2026-08-21T10:00' }
  t.equal((await rest(h, BOOK, { ...wish, phone: CALLER })).status, 200)
  const taken = await rest(h, BOOK, { ...wish, phone: '+12505550199' })
  t.match(taken, { status: 409, body: { code: 'SLOT_UNAVAILABLE', detail: 'That time is not free.' } })
  const alternatives = taken.body.alternatives as { start_time: string }[]
  t.equal(alternatives.length, 6)
  t.strictSame(alternatives[0], { start_time: '2026-08-21T09:00:00-07:00' })
  t.notOk(alternatives.some(({ start_time }) => start_time.startsWith('2026-08-21T10:00')))
  for (const { start_time } of alternatives) {
    t.equal(
      (await rest(h, BOOK, { client_id: client.id, start_time, phone: '+12505550199' })).status,
      200,
      start_time,
    )
  }
  t.match(await rest(h, BOOK, { client_id: client.id, start_time: '2026-08-20T10:00', phone: CALLER }), {
    status: 409,
    body: { detail: 'That time has passed.', alternatives: [{ start_time: String }] },
  })
})

t.test('409 for a client that cannot', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  await asOwner(h.app)`update clients set calendar_id = null where id = ${client.id}`
  t.match(await rest(h, CHECK, { client_id: client.id }), { status: 409, body: { code: 'CALENDAR_MISSING' } })
  const paused = await h.addClient()
  await asOwner(h.app)`update clients set status = 'paused' where id = ${paused.id}`
  t.match(await rest(h, CHECK, { client_id: paused.id }), { status: 409, body: { code: 'CLIENT_INACTIVE' } })
})

t.test('502, 503 and 504 for the CRM, without a word of what it said', async (t) => {
  const h = await build(t)
  const body = { message: 'SECRET-UPSTREAM-TEXT', trace: 'pit-test' }
  const cases = [
    [{ type: 'status', status: 401, body }, 502, 'CRM_REFUSED'],
    [{ type: 'status', status: 403, body }, 502, 'CRM_REFUSED'],
    [{ type: 'status', status: 404, body }, 502, 'CRM_REFUSED'],
    [{ type: 'status', status: 422, body }, 502, 'CRM_REFUSED'],
    [{ type: 'status', status: 301, headers: { location: 'http://127.0.0.1:1/' }, body }, 502, 'CRM_REFUSED'],
    [{ type: 'garbage' }, 502, 'CRM_REFUSED'],
    [{ type: 'status', status: 500, body }, 503, 'CRM_UNAVAILABLE'],
    [{ type: 'status', status: 503, body }, 503, 'CRM_UNAVAILABLE'],
    [{ type: 'rate-limit', retryAfterSeconds: 7 }, 503, 'CRM_UNAVAILABLE'],
    [{ type: 'drop-before' }, 504, 'CRM_TIMEOUT'],
  ] as const
  for (const [kind, status, code] of cases) {
    // Each on its own: a CRM that refuses a client's token is left alone for a while.
    const client = await h.addClient()
    const remove = h.crm.fault({ kind })
    for (const [tool, input] of [
      [FIND, { phone: CALLER }],
      [CHECK, {}],
      [BOOK, { start_time: '2026-08-21T10:00', phone: CALLER }],
    ] as const) {
      const answer = await rest(h, tool, { client_id: client.id, ...input })
      t.match(answer, { status, body: { status, code } }, `${JSON.stringify(kind)} ${tool}`)
      t.notMatch(JSON.stringify(answer), /SECRET|upstream says|pit-test/)
      if (kind.type === 'rate-limit') t.equal(answer.headers['retry-after'], '7')
    }
    remove()
  }
})

t.test('504 within 10 s when the CRM hangs, 503 when nobody is there', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  h.crm.fault({ match: { path: /free-slots/ }, kind: { type: 'hang' } })
  const begun = performance.now()
  t.match(await rest(h, CHECK, { client_id: client.id }), { status: 504, body: { code: 'CRM_TIMEOUT' } })
  t.ok(performance.now() - begun < 10_000)
  const attempts = h.crm.exchanges.filter(({ request }) => request.path.endsWith('/free-slots'))
  t.equal(attempts.length, 2, 'one retry')

  const alone = await build(t, { env: { GHL_BASE_URL: 'http://127.0.0.1:1' } })
  t.match(await rest(alone, CHECK, { client_id: client.id }), {
    status: 503,
    body: { code: 'CRM_UNAVAILABLE' },
  })
})

t.test('a contact of another location is refused by the CRM', async (t) => {
  const h = await build(t)
  const [ours, theirs] = [await h.addClient(), await h.addClient()]
  const made = await rest(h, FIND, { client_id: theirs.id, phone: CALLER, name: 'Ann Lee' })
  const answer = await rest(h, BOOK, {
    client_id: ours.id,
    contact_id: made.body.contactId,
    start_time: '2026-08-21T10:00',
    name: 'Bo',
  })
  t.match(answer, { status: 502, body: { code: 'CRM_REFUSED' } })
  t.equal(h.crm.location(theirs.locationId).appointments.length, 0)
  t.match(h.crm.location(theirs.locationId).contacts, [{ firstName: 'Ann', lastName: 'Lee' }])
})

t.test('503 without database for a client that is not known; tools of a known one work', async (t) => {
  const proxy = await startProxy(await createTestDatabase())
  t.teardown(() => proxy.close())
  const h = await build(t, { databaseUrl: proxy.url })
  const client = await h.addClient()
  await eventually(
    async () => sourceOf(await h.app.clients.byId(client.id)) === 'cache',
    'the client to be known',
  )
  proxy.freeze()
  t.match(await rest(h, BOOK, { client_id: client.id, phone: CALLER, start_time: '2026-08-21T10:00' }), {
    status: 200,
    body: { success: true },
  })
  t.match(await rest(h, FIND, { client_id: NOBODY, phone: CALLER }), {
    status: 503,
    body: { code: 'DATABASE_UNAVAILABLE' },
  })
  proxy.thaw()
})
