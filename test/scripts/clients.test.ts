import type { ChildProcess } from 'node:child_process'
import postgres from 'postgres'
import t from 'tap'
import { asOwner, build, createTestDatabase, ENCRYPTION_KEY, eventually } from '../helper.ts'
import { run } from './program.ts'

// Two dozen programs are started, one after the other.
t.setTimeout(300_000)

const SECRET = 'pit-planted-by-cli-4711'

/** `npm run clients -- …` on this database. */
const cliOn =
  (databaseUrl: string) =>
  (args: readonly string[], { input = '', env = {} } = {}) =>
    run('clients.ts', args, { input, env: { DATABASE_URL: databaseUrl, ENCRYPTION_KEY, ...env } })

t.test(
  'a client is brought on line from the command line, and a running server answers for it',
  async (t) => {
    const harness = await build(t)
    const cli = cliOn(harness.app.database.url)
    const add = [
      'add',
      '--name',
      'Hill Clinic',
      '--number',
      '(604) 555-0101',
      '--location',
      'HillLocation00000001',
    ]
    const added = await cli(
      [...add, '--ghl-token', '-', '--set', 'hours=24/7', '--set', 'services=["Checkups"]'],
      {
        input: `${SECRET}\n`,
      },
    )
    t.equal(added.code, 0, added.stderr)
    t.match(added.stdout, /Hill Clinic[\s\S]*\+16045550101[\s\S]*…4711/)
    const { client } = await harness.app.clients.byNumber('+16045550101')
    t.match(client, {
      name: 'Hill Clinic',
      crm: { token: SECRET },
      settings: { hours: '24/7', services: ['Checkups'] },
    })

    const shown = await cli(['show', 'hill clinic', '--json'])
    const view = JSON.parse(shown.stdout)
    t.match(view, { id: client?.id, twilio_number: '+16045550101', ghl_token_last4: '4711', problems: [] })
    const listed = await cli(['list', '--search', 'hill'])
    t.match(listed.stdout, /Hill Clinic .*\+16045550101 .*active/)

    const set = await cli([
      'set',
      '604-555-0101',
      '--set',
      'hours=null',
      '--set',
      'greeting=Hello',
      '--timezone',
      'America/Vancouver',
    ])
    t.equal(set.code, 0, set.stderr)
    const changed = () => harness.app.clients.byNumber('+16045550101')
    await eventually(async () => (await changed()).client?.settings.greeting === 'Hello', 'the greeting')
    t.strictSame((await changed()).client?.settings, { greeting: 'Hello', services: ['Checkups'] })

    for (const [command, active] of [
      ['pause', false],
      ['resume', true],
    ] as const) {
      t.equal((await cli([command, view.id])).code, 0)
      await eventually(async () => (await changed()).client?.active === active, command)
    }
    const kept = await cli(['remove', 'Hill Clinic', '--confirm', 'Hill'])
    t.match([kept.code, kept.stderr], [2, /confirm must be the name or the number/])
    t.equal((await cli(['remove', 'Hill Clinic', '--confirm', '+16045550101'])).code, 0)
    t.match(await cli(['show', view.id]), { code: 1, stderr: /no such client/ })

    const rows = await asOwner(
      harness.app,
    )`select operator, operation from audit_log where subject_id = ${view.id} order by id`
    t.match(
      [...rows],
      ['add', 'change', 'change', 'change', 'remove'].map((what) => ({
        operator: /^cli:./,
        operation: `clients.${what}`,
      })),
    )
    t.notMatch(JSON.stringify([added, shown, listed, set]), /planted/, 'the token is not echoed')
  },
)

t.test('what is wrong is said, and told by the exit code', async (t) => {
  const cli = cliOn(await createTestDatabase())
  const add = ['add', '--name', 'A', '--number', '6045550102', '--location', 'L']
  const cases: [args: string[], code: number, stderr: RegExp, env?: Record<string, string>][] = [
    [[], 2, /Usage: npm run clients -- <command>/],
    [['invent'], 2, /There is no command "invent"/],
    [['list', '--nope'], 2, /--nope/],
    [['show'], 2, /<client> is missing/],
    [['show', 'nobody'], 1, /no such client/],
    [add, 2, /ghl_token is required/],
    [[...add, '--set', 'opening=9'], 2, /settings.opening is not known/, { GHL_TOKEN: SECRET }],
    [['list'], 1, /ENCRYPTION_KEY must be 32 bytes/, { ENCRYPTION_KEY: 'short' }],
    [['seal'], 1, /ENCRYPTION_KEY is not set/, { ENCRYPTION_KEY: '' }],
    [['list'], 1, /ECONNREFUSED/, { DATABASE_URL: 'postgres://agent:swordfish@127.0.0.1:1/none' }],
  ]
  for (const [args, code, stderr, env] of cases) {
    const done = await cli(args, { env })
    t.match(done, { code, stderr, stdout: '' }, args.join(' '))
    t.notMatch(done.stderr, /planted|swordfish|\n {4}at /, 'no secrets, and no stack')
  }
  const help = await cli(['add', '--help'])
  t.match(help, { code: 0, stdout: /Usage: npm run clients -- add[\s\S]*--ghl-token/, stderr: '' })
  const empty = await cliOn(await createTestDatabase('empty'))(['list'])
  t.match(empty, { code: 1, stderr: /start the server once/ })
})

t.test('sealing goes on where it was ended, and twice changes nothing', async (t) => {
  const harness = await build(t, {
    env: { ENCRYPTION_KEY: undefined },
    databaseUrl: await createTestDatabase(),
  })
  const cli = cliOn(harness.app.database.url)
  const sql = asOwner(harness.app)
  await sql`
    insert into clients (client_name, twilio_number, ghl_token, location_id)
    select 'Client ' || n, '+1604' || 5550000 + n, 'pit-planted-' || n, 'Location' || n from generate_series(1, 1200) n`
  await sql`update clients set ghl_token = 'sealed:v1:no' where client_name = 'Client 7'`
  await sql`update clients set ghl_token = '' where client_name = 'Client 8'`
  const sealedRows = async () => {
    const rows = await sql<{ sealed: number }[]>`
      select count(*)::int as sealed from clients where ghl_token ~ '^sealed:v1:[0-9a-f]{8}:'`
    return rows[0]?.sealed ?? 0
  }

  // The last row is held, so that it is killed when some are sealed and others not.
  const holder = postgres(harness.app.database.url, { max: 1 })
  await holder.begin(async (tx) => {
    await tx`select id from clients order by id desc limit 1 for update`
    let child: ChildProcess | undefined
    const env = { DATABASE_URL: harness.app.database.url, ENCRYPTION_KEY }
    const killed = run('clients.ts', ['seal'], {
      env,
      started: (process) => {
        child = process
      },
    })
    await eventually(async () => (await sealedRows()) > 0, 'some to be sealed')
    child?.kill('SIGKILL')
    t.equal((await killed).code, null)
  })
  await holder.end()
  const half = await sealedRows()
  t.ok(half > 0 && half < 1_198, `${half} are sealed`)

  const sealed = await cli(['seal', '--json'])
  t.equal(sealed.code, 1, 'one does not open')
  const report = JSON.parse(sealed.stdout)
  t.match(report, {
    keysInUse: ['unreadable'],
    unreadable: [{ column: 'clients.ghl_token', code: 'MALFORMED' }],
  })
  const before = await sql`select id, ghl_token, updated_at from clients order by id`
  t.equal(await sealedRows(), 1_198)
  const again = await cli(['seal', '--json'])
  t.match(JSON.parse(again.stdout).columns[0], { sealed: 0 })
  t.strictSame([...(await sql`select id, ghl_token, updated_at from clients order by id`)], [...before])
  t.notMatch(JSON.stringify([sealed, again]), /planted/)

  const { app } = await build(t, { databaseUrl: harness.app.database.url })
  t.equal((await app.clients.byNumber('+16045550500')).client?.crm.token, 'pit-planted-500')
})
