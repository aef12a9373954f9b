import t from 'tap'
import { asOwner, build, eventually } from '../../helper.ts'
import { ago, bench, lists, lostCall, rewind, sessionOf, signal } from './lost-calls.ts'

t.test('VAPI away: said, and done the next time from where it stood', async (t) => {
  const b = await bench(t, 600)
  b.vapi.addCall(lostCall({ updatedAt: ago(590) }))
  for (let n = 0; n < 60; n += 1) b.vapi.addCall(lostCall({ updatedAt: ago(100 + n) }))
  for (const path of ['/call', '/v2/phone-number']) {
    b.vapi.fault({ match: { path }, kind: { type: 'status', status: 503 } })
    await asOwner(b.app)`update reconciler set due_at = now()`
    t.match(await b.found(), { recovered: 0, complete: false }, path)
    b.vapi.clearFaults()
    t.equal(await b.found(), undefined, 'not asked again at once')
  }
  t.equal(b.logs.filter(({ msg }) => msg === 'VAPI could not be asked for calls without a report').length, 2)
  await asOwner(b.app)`update reconciler set due_at = now()`
  t.match(await b.found(), { recovered: 61, complete: true })
})

t.test('a call that cannot be taken in holds up no other, and is not forgotten', async (t) => {
  const b = await bench(t)
  const [bad, good] = [lostCall(), lostCall()]
  b.vapi.addCall(bad)
  b.vapi.addCall(good)
  const sql = asOwner(b.app)
  // What the database refuses of one call only.
  await sql.unsafe(`
    create function refuse_one() returns trigger language plpgsql as $$
    begin
      if new.vapi_call_id = '${bad.id}' then raise exception 'refused'; end if;
      return new;
    end $$;
    create trigger refuse_one before insert on voice_sessions for each row execute function refuse_one()`)
  t.match(await b.found(), { recovered: 1, failed: 1, complete: false })
  await sql.unsafe('drop trigger refuse_one on voice_sessions')
  await sql`update reconciler set due_at = now()`
  t.match(await b.found(), { recovered: 1, failed: 0, complete: true })
  t.ok((await sessionOf(b, bad.id))?.reported)
})

t.test('of many instances one works, and another goes on where it died', async (t) => {
  const b = await bench(t)
  const other = await build(t)
  const runs = await Promise.all([b.found(), other.app.reconciler.run(signal()), b.found()])
  t.equal(runs.filter((run) => run !== undefined).length, 1)
  await rewind(b, 30)
  const sql = asOwner(b.app)
  await sql`update reconciler set owner = gen_random_uuid(), leased_until = now() + interval '1 minute'`
  t.equal(await b.found(), undefined, 'somebody else is at it')
  await sql`update reconciler set leased_until = now() - interval '1 second'`
  t.match(await b.found(), { complete: true })
})

t.test('after a long absence it reaches back a day, and says so', async (t) => {
  const b = await bench(t, 60 * 24 * 3)
  b.vapi.addCall(lostCall({ updatedAt: ago(60 * 24 * 2) }))
  const within = lostCall({ updatedAt: ago(60 * 23) })
  b.vapi.addCall(within)
  t.match(await b.found(), { seen: 1, recovered: 1 })
  t.ok(b.logs.some(({ msg }) => String(msg).startsWith('calls that ended before are out of reach')))
})

t.test('one run at a time; without a key there is none, and that is said once', async (t) => {
  const b = await bench(t)
  b.vapi.fault({ match: { path: '/call' }, kind: { type: 'hang' } })
  const running = b.found()
  await eventually(() => lists(b).length > 0, 'the question')
  const aborted = new AbortController()
  aborted.abort()
  t.match(await b.app.reconciler.run(aborted.signal), undefined, 'the work is taken')
  b.vapi.clearFaults()
  await b.vapi.close()
  t.match(await running, { complete: false })

  const keyless = await build(t, { env: { VAPI_API_KEY: undefined } })
  t.equal(await keyless.app.reconciler.run(signal()), undefined)
  t.equal(keyless.logs.filter(({ msg }) => /VAPI_API_KEY is not set/.test(String(msg))).length, 1)
})
