import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { AppError } from '../../../services/errors.ts'
import { defineTool, type Tool } from '../../../services/tools/define.ts'
import { createToolRunner } from '../../../services/tools/runner.ts'
import { asOwner, build, type Harness, NOW, type TestClient, TOKEN } from '../../helper.ts'
import { CALLER, type Result, toolMessage, use, useAll, written } from './kit.ts'

const BOOK = 'book_appointment'
const FIND = 'find_or_create_contact'
const CHECK = 'check_availability'

async function post(h: Harness, message: Record<string, unknown>): Promise<Result[]> {
  const response = await h.webhook({
    message: { type: 'tool-calls', call: { id: randomUUID() }, ...message },
  })
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
  return (response.json() as { results: Result[] }).results
}

t.test('arguments in all shapes that VAPI sends', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const about = { phoneNumber: { number: client.number }, customer: { number: CALLER } }
  const args = { date: '2026-08-24', not_before: '16:30' }
  const entries = {
    'function, object': { id: 'id', type: 'function', function: { name: CHECK, arguments: args } },
    'function, JSON text': {
      id: 'id',
      type: 'function',
      function: { name: CHECK, arguments: JSON.stringify(args) },
    },
    'function, parameters': { id: 'id', function: { name: CHECK, parameters: args } },
    'flat, arguments': { id: 'id', name: CHECK, arguments: args },
    'flat, JSON text': { id: 'id', name: CHECK, arguments: JSON.stringify(args) },
    'flat, parameters': { id: 'id', name: CHECK, parameters: args },
    'flat, toolCallId': { toolCallId: 'id', name: CHECK, parameters: args },
  }
  const expected = [{ name: CHECK, toolCallId: 'id', result: 'Free: Monday, August 24 at 4:30 PM.' }]
  for (const [shape, entry] of Object.entries(entries)) {
    t.strictSame(await post(h, { ...about, toolCallList: [entry] }), expected, `toolCallList: ${shape}`)
    t.strictSame(await post(h, { ...about, toolCalls: [entry] }), expected, `toolCalls: ${shape}`)
    const wrapped = { type: 'function', name: CHECK, function: { name: CHECK }, toolCall: entry }
    t.strictSame(
      await post(h, { ...about, toolWithToolCallList: [wrapped] }),
      expected,
      `toolWithToolCallList: ${shape}`,
    )
    const all = { toolCallList: [entry], toolCalls: [entry], toolWithToolCallList: [wrapped] }
    t.strictSame(await post(h, { ...about, ...all }), expected, `all three: ${shape}`)
  }
})

t.test('garbage for arguments: 200, and a result that says what is missing', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
  const garbage: unknown[] = [
    undefined,
    null,
    'not json',
    '"text"',
    '[1,2]',
    '{"start_time":',
    7,
    true,
    [],
    ['2026-08-21T10:30'],
    {},
    { start_time: null },
    { start_time: '' },
    { start_time: '  ' },
    '{"start_time":null}',
    { __proto__: { start_time: '2026-08-21T10:30' } },
    '{"__proto__":{"start_time":"2026-08-21T10:30"}}',
    `{"notes":${deep}}`,
    { constructor: 'x', toString: 'y' },
  ]
  for (const args of garbage) {
    const result = await use(h, client, BOOK, args)
    t.equal(result.error, 'start_time is missing.', String(JSON.stringify(args)).slice(0, 60))
    t.equal(result.result, undefined)
  }
  const odd = await use(h, client, BOOK, { start_time: { at: 'ten' } })
  t.match(odd.error, /start_time/)
  const long = await use(h, client, BOOK, { start_time: '2026-08-21T10:30', title: 'x'.repeat(201) })
  t.match(long.error, /^title: /)
  const nul = await use(h, client, BOOK, {
    start_time: '2026-08-21T10:30',
    title: 'a\0b \ud800c',
    name: 'Ann\nLee',
  })
  t.match(nul, { result: /^Booked/ }, 'text that PostgreSQL refuses')
  t.equal(written(h, 'appointment.created').length, 1)
})

t.test('what models write instead of the right type', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  t.match(await use(h, client, CHECK, { date: '2026-08-24', not_before: 16, next_available: 'false' }), {
    result: /^Free: Monday, August 24 at 4:00 PM, 4:30 PM\.$/,
  })
  t.match(await use(h, client, FIND, { name: 'Ann', phone: 2505550188, email: null }), { result: /saved/ })
})

t.test('one result for each toolCallId, in order, each a string on one line', async (t) => {
  const h = await build(t)
  const client = await h.addClient({ client_name: 'Line\nBreaks' })
  const uses = [
    { id: 'c', name: CHECK, args: {} },
    { id: 'a', name: 'no_such_tool\nwith a line break', args: {} },
    { id: 'd', name: BOOK, args: { start_time: '2026-08-21T06:00' } },
    { id: 'b', name: FIND, args: { name: 'Ann\r\n\u2028Lee\u0085Jr' } },
    { id: 'e', name: '', args: {} },
  ]
  const results = await useAll(h, client, uses)
  t.strictSame(
    results.map(({ toolCallId }) => toolCallId),
    ['c', 'a', 'd', 'b', 'e'],
  )
  for (const result of results) {
    t.equal([result.result, result.error].filter((text) => typeof text === 'string' && text).length, 1)
    t.notMatch(`${result.name}${result.result}${result.error}`, /[\n\r\u2028\u2029\u0085]/)
  }
  const again = await use(h, client, FIND, {})
  t.equal(again.result, 'The caller is on file as Ann Lee Jr.')
  t.strictSame(await useAll(h, client, []), [])
})

t.test('ids that the model sends are ignored', async (t) => {
  const h = await build(t)
  const [ours, theirs] = [await h.addClient(), await h.addClient()]
  const ids = {
    client_id: theirs.id,
    location_id: theirs.locationId,
    locationId: theirs.locationId,
    contact_id: 'x',
    calendar_id: 'y',
  }
  for (const [name, args] of [
    [FIND, { name: 'Ann' }],
    [CHECK, {}],
    [BOOK, { start_time: '2026-08-21T10:30' }],
  ] as const) {
    t.ok((await use(h, ours, name, { ...args, ...ids })).result)
  }
  t.ok(h.crm.exchanges.length > 3)
  for (const { request } of h.crm.exchanges) {
    t.equal(request.headers.authorization, `Bearer ${ours.token}`)
    t.notMatch(JSON.stringify([request.path, request.query, request.body]), theirs.locationId)
  }
})

t.test('one number of a client never touches the location of another', async (t) => {
  const h = await build(t)
  const clients: TestClient[] = []
  for (let index = 0; index < 5; index++) clients.push(await h.addClient())
  await Promise.all(
    clients.flatMap((client) =>
      [1, 2, 3, 4].map((caller) =>
        useAll(
          h,
          client,
          [
            { name: FIND, args: { name: `Caller of ${client.locationId}` } },
            { name: CHECK },
            { name: BOOK, args: { start_time: `2026-08-24T1${caller}:00` } },
          ],
          { caller: `+1250555012${caller}` },
        ),
      ),
    ),
  )
  for (const client of clients) {
    const { contacts, appointments } = h.crm.location(client.locationId)
    t.equal(contacts.length, 4)
    t.equal(appointments.length, 4)
    t.ok(contacts.every(({ lastName }) => lastName === `of ${client.locationId}`))
  }
  for (const { request, response } of h.crm.exchanges) {
    const owner = clients.find(({ token }) => request.headers.authorization === `Bearer ${token}`)
    const named = JSON.stringify([request.path, request.query, request.body]).match(/TestLocation\d+/g) ?? []
    t.ok(named.every((location) => location === owner?.locationId))
    t.not(response?.status, 403)
  }
})

t.test('one that fails, and one that hangs, do not touch the others', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  h.crm.fault({ match: { path: '/contacts/*' }, kind: { type: 'hang' } })
  const begun = performance.now()
  const results = await useAll(h, client, [
    { name: FIND, args: { name: 'Ann' } },
    { name: CHECK, args: { date: '2026-08-24', not_before: '16:30' } },
    { name: 'no_such_tool' },
  ])
  const ms = performance.now() - begun
  t.ok(ms < 10_000, `answered after ${ms} ms`)
  t.match(results, [
    { error: /too slow right now/ },
    { result: 'Free: Monday, August 24 at 4:30 PM.' },
    { error: 'There is no tool named no_such_tool.' },
  ])
})

t.test('a calendar that hangs for good: a sentence within 10 s, and nothing claimed', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  h.crm.fault({ match: { method: 'POST', path: '/calendars/*' }, kind: { type: 'hang' } })
  const begun = performance.now()
  const { error, result } = await use(h, client, BOOK, { start_time: '2026-08-21T10:30' })
  const ms = performance.now() - begun
  t.ok(ms < 10_000, `answered after ${ms} ms`)
  t.equal(result, undefined)
  t.match(error, /It is not certain whether the appointment was booked/)
})

t.test('who cannot be served', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  await asOwner(h.app)`update clients set status = 'paused' where id = ${client.id}`
  t.match(await use(h, client, BOOK, { start_time: '2026-08-21T10:30' }), {
    error: /Offer to take a message/,
  })
  const [unknown] = await useAll(h, { number: '+12025550143' }, [{ name: BOOK, id: 'x' }])
  t.match(unknown, { name: BOOK, toolCallId: 'x', error: /Offer to take a message/ })
  t.equal(h.crm.exchanges.length, 0)
})

t.test("the call's contact is found once and stays", async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const call = { callId: randomUUID() }
  await use(h, client, FIND, { name: 'Ann Lee' }, call)
  const before = h.crm.exchanges.length
  t.match(await use(h, client, BOOK, { start_time: '2026-08-21T10:30' }, call), { result: /^Booked/ })
  t.notOk(h.crm.exchanges.slice(before).some(({ request }) => request.path.startsWith('/contacts')))

  const other = await h.addClient()
  t.match(await use(h, other, BOOK, { start_time: '2026-08-21T10:30' }, call), { result: /^Booked/ })
  const [theirs] = h.crm.location(other.locationId).contacts
  t.equal(
    h.crm.location(other.locationId).appointments[0]?.contactId,
    theirs?.id,
    "not the contact of another client's call",
  )
})

/** A runner with tools of its own over the real sandbox. */
function custom(h: Harness, tools: Tool[], deadlineMs = 300) {
  return createToolRunner({
    catalogue: new Map(tools.map((tool) => [tool.name, tool])),
    ghl: h.app.ghl,
    calls: h.app.services.calls,
    sql: h.app.sql,
    clock: () => NOW,
    log: h.app.log,
    deadlineMs,
  })
}

const plain = { description: 'A tool.', input: Type.Object({}), output: Type.Object({ text: Type.String() }) }

t.test('a bug in a tool is a sentence to the caller and an error in the log', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const runner = custom(h, [
    defineTool({
      ...plain,
      name: 'throws',
      run: async () => {
        throw new TypeError('secret detail')
      },
      say: () => 'x',
    }),
    defineTool({ ...plain, name: 'mute', run: async () => ({ text: '' }), say: ({ text }) => text }),
    defineTool({
      ...plain,
      name: 'babbles',
      run: async () => ({ text: 'word '.repeat(2_000) }),
      say: ({ text }) => text,
    }),
    defineTool({
      ...plain,
      name: 'cannot say',
      run: async () => ({ text: '' }),
      say: () => {
        throw new Error('secret detail')
      },
    }),
    defineTool({
      ...plain,
      name: 'hangs',
      adviceWhenLate: 'Too late.',
      run: () => new Promise<never>(() => {}),
      say: () => 'x',
    }),
    defineTool({
      ...plain,
      name: 'refuses',
      run: async () => {
        throw new AppError('SLOT_UNAVAILABLE', { advice: 'a\nb' })
      },
      say: () => 'x',
    }),
  ])
  const names = ['throws', 'mute', 'babbles', 'cannot say', 'hangs', 'refuses']
  const results = await runner.answerAll(
    names.map((name) => ({ id: name, name, arguments: {} })),
    { callId: randomUUID(), caller: CALLER, calledNumber: client.number },
    await h.app.clients.byId(client.id),
  )
  const sorry = 'Something went wrong. Apologise and offer to take a message.'
  t.match(results, [
    { error: sorry },
    { result: 'Done.' },
    { result: /^word( word)+$/ },
    { error: sorry },
    { error: 'Too late.' },
    { error: 'a b' },
  ])
  t.ok((results[2]?.result?.length ?? 0) <= 2_000)
  t.notMatch(JSON.stringify(results), /secret/)
  t.ok(h.logs.some(({ msg, level }) => msg === 'a tool failed' && Number(level) === 50))
})

t.test('what only looks something up is told before it is kept, and kept all the same', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const callId = randomUUID()
  const events = () => asOwner(h.app)`select event_key from call_events where vapi_call_id = ${callId}`
  await asOwner(h.app).begin(async (tx) => {
    await tx`lock table call_events in share mode`
    const result = await use(h, client, CHECK, { date: '2026-08-24' }, { callId, id: 'look' })
    t.match(result.result, /^Free: /)
    t.strictSame([...(await tx`select from call_events where vapi_call_id = ${callId}`)], [])
  })
  while ((await events()).length === 0) await pause(10)
  t.strictSame([...(await events())], [{ event_key: 'tool-calls:look' }])
})

t.test('an old X-Vapi-Secret and a bad token', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const payload = JSON.stringify(toolMessage(client, [{ name: CHECK }]))
  const headers = { 'content-type': 'application/json' }
  const send = (extra: Record<string, string>) =>
    h.app.inject({ method: 'POST', url: '/vapi/webhooks', headers: { ...headers, ...extra }, payload })
  t.equal((await send({ 'x-vapi-secret': TOKEN })).statusCode, 200)
  t.equal((await send({ authorization: 'Bearer wrong' })).statusCode, 401)
})

t.test('a tool that is used in a call through another door', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const resolution = await h.app.clients.byId(client.id)
  const tool = h.app.services.catalogue.get(BOOK)
  if (!tool) throw new Error('no such tool')
  const callId = randomUUID()
  const call = { id: callId, toolCallId: 'mcp-1' }
  const wish = { start_time: '2026-08-21T10:30', phone: '+12505550199' }
  const { output, sentence } = await h.app.services.tools.runOne(
    tool,
    resolution,
    { call, number: CALLER },
    wish,
  )
  t.match(sentence, /^Booked: Friday, August 21 at 10:30 AM/)
  const [contact] = h.crm.location(client.locationId).contacts
  t.match(output, { success: true, appointment: { contact_id: contact?.id } })
  t.equal(contact?.phone, CALLER, 'the caller id goes before what is said')
  const rows = await asOwner(h.app)`
    select s.ghl_contact_id, e.event_key from voice_sessions s join call_events e using (client_id, vapi_call_id)
    where s.vapi_call_id = ${callId}`
  t.strictSame(
    [...rows],
    [{ ghl_contact_id: contact?.id, event_key: 'tool-calls:mcp-1' }],
    'kept with the call',
  )
  const refused = h.app.services.tools.runOne(
    tool,
    resolution,
    { call, number: undefined },
    { start_time: '2026-08-21T11:00' },
  )
  await t.rejects(refused, { code: 'INVALID_INPUT', field: 'phone' })
  const unknown = { client: undefined, reason: 'unknown' } as const
  await t.rejects(h.app.services.tools.runOne(tool, unknown, {}, wish), { code: 'CLIENT_UNKNOWN' })
})
