import t from 'tap'
import { createJournal } from '../../../services/calls/journal.ts'
import {
  createStepRepository,
  type SentAssistant,
  type Step,
} from '../../../services/calls/steps-repository.ts'
import { createClientRepository } from '../../../services/clients/repository.ts'
import { createDatabase } from '../../../services/database/pool.ts'
import { SERVER_ROLE } from '../../../services/database/repository.ts'
import { createTestDatabase } from '../../helper.ts'
import { client, NOW } from '../assistant/clients.ts'

interface Written {
  steps: readonly Step[]
  assistants: readonly SentAssistant[]
}

/** A journal and what it wrote, statement by statement; `fail` says which of them go wrong. */
function journalWith(fail: (statement: number) => boolean = () => false) {
  const written: Written[] = []
  const warnings: [facts: object, message: string][] = []
  let statement = 0
  const journal = createJournal({
    steps: {
      async add(steps, assistants = []) {
        if (fail(statement++)) throw new Error('the database is away')
        written.push({ steps, assistants })
      },
    },
    clock: () => NOW,
    log: { warn: (facts, message) => void warnings.push([facts, message]) },
  })
  t.teardown(() => journal.close())
  return { journal, written, warnings }
}

const businesses = Array.from({ length: 25 }, (_, n) =>
  client({ id: `c0ffee00-1111-4222-8333-${String(n).padStart(12, '0')}`, client_name: `Business ${n}` }),
)

const answered = (n: number, made: { count: number } = { count: 0 }) => ({
  client: businesses[n % businesses.length] ?? client(),
  callId: `call-${n}`,
  at: NOW,
  source: 'cache',
  now: 'It is Friday.',
  caller: 'Calls from +12505550188.',
  assistant: () => {
    made.count += 1
    return { name: `assistant ${n % businesses.length}` }
  },
})

t.test('a thousand calls at a stroke are written in pieces, each call and each version once', async (t) => {
  const { journal, written } = journalWith()
  const made = { count: 0 }
  for (let n = 0; n < 1_000; n += 1) journal.answered(answered(n, made))
  journal.answered(answered(0, made))
  await journal.flush()
  const calls = written.flatMap(({ steps }) => steps.map(({ callId }) => callId))
  t.equal(calls.length, 1_000, 'one that VAPI asks for twice is one call')
  t.equal(new Set(calls).size, 1_000)
  t.ok(written.every(({ steps }) => steps.length <= 300))
  const versions = written.flatMap(({ assistants }) => assistants.map(({ digest }) => digest))
  t.equal(versions.length, businesses.length)
  t.equal(new Set(versions).size, businesses.length)
  t.equal(made.count, businesses.length, 'an assistant is made once for all its calls')
  t.ok(written.every(({ assistants }) => assistants.length <= 10))
  for (const { assistants } of written)
    for (const each of assistants) t.strictSame(Object.keys(each), ['clientId', 'digest', 'assistant'])
})

t.test('while the database is away nothing piles up, and versions come with a later call', async (t) => {
  const { journal, written, warnings } = journalWith((statement) => statement === 0)
  for (let n = 0; n < 400; n += 1) journal.answered(answered(n))
  await journal.flush()
  t.strictSame(written, [])
  t.match(warnings, [[{ steps: 400 }, /could not be written down/]])
  for (let n = 400; n < 425; n += 1) journal.answered(answered(n))
  await journal.flush()
  const versions = written.flatMap(({ assistants }) => assistants.map(({ digest }) => digest))
  t.equal(new Set(versions).size, businesses.length)
  t.equal(written.flatMap(({ steps }) => steps).length, 25)
})

t.test('what calls have in common is stored with each of them', async (t) => {
  const url = await createTestDatabase()
  const owner = createDatabase({ url })
  const sql = createDatabase({ url, role: SERVER_ROLE })
  t.teardown(() => Promise.all([owner.end(), sql.end()]))
  const clientId = await createClientRepository({ sql: owner }).put({
    client_name: 'Riverside Plumbing',
    twilio_number: '+17785550001',
    ghl_token: 'pit',
    location_id: 'loc',
  })
  const step = (callId: string, now?: string): Step => ({
    clientId,
    callId,
    kind: 'assistant',
    at: NOW.epochMilliseconds,
    payload: { source: 'cache' },
    now,
  })
  const odd = 'It\'s {9:30}, "Friday",\n\\ — Zürich'
  await createStepRepository({ sql }).add([
    step('first', odd),
    step('second', 'later'),
    step('third', odd),
    step('fourth'),
  ])
  await createStepRepository({ sql }).add([step('fifth')])
  const rows = await owner`select vapi_call_id as call, payload from call_steps order by vapi_call_id`
  t.same(
    rows.map(({ call, payload }) => [call, payload]),
    [
      ['fifth', { source: 'cache' }],
      ['first', { source: 'cache', now: odd }],
      ['fourth', { source: 'cache' }],
      ['second', { source: 'cache', now: 'later' }],
      ['third', { source: 'cache', now: odd }],
    ],
  )
})
