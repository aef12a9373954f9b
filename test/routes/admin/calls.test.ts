import t from 'tap'
import { ADMIN_TOKEN, asOwner, build, eventually, type Harness } from '../../helper.ts'
import { run } from '../../scripts/program.ts'

interface Moment {
  what: string
  ms?: number
  details: Record<string, unknown>
}

const ask = async (h: Harness, url: string) => {
  const response = await h.app.inject({ url, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  return { status: response.statusCode, body: response.json(), text: response.body }
}

/** A whole call, until its note is in the CRM and the server's own steps are written down. */
async function played(h: Harness, client: Awaited<ReturnType<Harness['addClient']>>) {
  const player = await h.call(client)
  await player.ring()
  await player.status('in-progress')
  await player.tool('book_appointment', { start_time: '2026-08-21T10:30', name: 'Ann Lee' })
  await player.tool('book_appointment', { start_time: 'whenever' })
  await player.status('ended', { endedReason: 'customer-ended-call' })
  await player.report({ transcript: 'AI: Hello.', summary: 'Booked a visit.' })
  const location = h.crm.location(client.locationId)
  await eventually(() => location.contacts[0]?.notes.length, 'the note')
  await eventually(async () => {
    await h.app.services.journal.flush()
    const [done] = await asOwner(h.app)`
      select from crm_syncs c join voice_sessions s on s.id = c.voice_session_id
      where s.vapi_call_id = ${player.callId} and c.synced_at is not null and c.leased_until is null
        and not exists (
          select from pgboss.job
          where name = 'crm-sync' and data ->> 'sessionId' = s.id::text and start_after <= now()
            and state in ('created', 'retry', 'active')
        )`
    return done
  }, 'the sync to be over')
  return player
}

t.test('a call is explained from the assistant that answered to the note in the CRM', async (t) => {
  const h = await build(t)
  const client = await h.addClient({ settings: { greeting: 'Riverside, good day.' } })
  const player = await played(h, client)
  const { status, body, text } = await ask(h, `/admin/calls/${player.callId}`)
  t.equal(status, 200)
  t.match(body.call, {
    call: player.callId,
    client: client.id,
    client_name: 'Riverside Plumbing',
    caller: '+12505550188',
    status: 'ended',
    ended_reason: 'customer-ended-call',
    summary: 'Booked a visit.',
    transcript: 'AI: Hello.',
    note_id: String,
    synced_at: String,
  })
  const moments = body.timeline as Moment[]
  const said = (what: RegExp) => moments.filter((moment) => what.test(moment.what))
  const [answered] = said(/^answered by its assistant/)
  t.match(answered?.details, {
    source: /^(load|cache)$/,
    caller: /0188/,
    sent: { firstMessage: /Riverside, good day\./, model: { messages: [{ content: /\{now\}/ }] } },
  })
  t.equal(said(/^status-update: /).length, 2)
  t.match(said(/^tool book_appointment$/), [
    {
      ms: Number,
      details: {
        arguments: { start_time: '2026-08-21T10:30' },
        output: { appointment: { id: String } },
        said: /^Booked/,
      },
    },
  ])
  t.match(said(/^tool book_appointment failed/), [{ what: /INVALID_INPUT/, ms: Number }])
  t.match(said(/^CRM sync: .*note written/), [{ ms: Number }])
  // The look at whether a report came at all is still to come.
  t.ok(body.jobs.every(({ state }: { state: string }) => state === 'queued'))
  t.notMatch(text, /x-call-token|eyJ/, 'no token of the call is kept')
  t.match(await ask(h, `/admin/calls/${body.call.id}`), { body: { call: { call: player.callId } } })
  t.match(await ask(h, '/admin/calls/unheard-of'), { status: 404, body: { code: 'CALL_UNKNOWN' } })
})

t.test('an attempt that failed is in it, with what is still to come', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const player = await h.call(client)
  await player.ring()
  h.crm.fault({
    match: { path: /notes$/ },
    kind: { type: 'status', status: 500, body: { message: 'Ann Lee' } },
  })
  await player.report({ transcript: 'AI: Hello.', summary: 'None.' })
  const { body, text } = await eventually(async () => {
    const found = await ask(h, `/admin/calls/${player.callId}`)
    const failed = (found.body.timeline as Moment[] | undefined)?.some(({ what }) => /sync failed/.test(what))
    return failed && found.body.jobs.length > 0 && found
  }, 'the failed attempt')
  t.match(
    (body.timeline as Moment[]).find(({ what }) => /sync failed/.test(what)),
    { what: /status 500/, details: { contact: 'created' } },
  )
  t.match(body.jobs, [{ queue: 'crm-sync', client: client.id }])
  t.notMatch(text, /Ann Lee/, "another system's words are not kept")
})

t.test('calls are listed by client and time, a page at a time', async (t) => {
  const h = await build(t)
  const [client, other] = [await h.addClient(), await h.addClient()]
  for (const to of [client, client, client, other]) {
    const player = await h.call(to)
    await player.status('ringing')
  }
  const first = await ask(h, `/admin/calls?client=${client.id}&limit=2`)
  t.equal(first.body.calls.length, 2)
  const second = await ask(h, `/admin/calls?client=${client.id}&limit=2&cursor=${first.body.next}`)
  t.equal(second.body.calls.length, 1)
  t.equal(second.body.next, undefined)
  t.match(await ask(h, '/admin/calls?since=2999-01-01T00:00:00Z'), { body: { calls: [] } })
  t.match(await ask(h, '/admin/calls?since=soon'), { status: 400, body: { errors: [{ field: 'since' }] } })
  t.match(await ask(h, '/admin/calls?cursor=x'), { status: 400, body: { errors: [{ field: 'cursor' }] } })
})

t.test('the command line shows the same', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const player = await played(h, client)
  const env = { NODE_ENV: 'test', DATABASE_URL: h.app.database.url }
  const calls = (...args: string[]) => run('calls.ts', args, { env })
  const listed = await calls('list', '--client', client.id, '--since', '2026-08-01')
  t.equal(listed.code, 0, listed.stderr)
  t.match(listed.stdout, player.callId)
  const shown = await calls('show', player.callId)
  t.equal(shown.code, 0, shown.stderr)
  for (const part of ['answered by its assistant', 'tool book_appointment', 'note written', 'AI: Hello.'])
    t.match(shown.stdout, part)
  const asJson = JSON.parse((await calls('show', player.callId, '--json')).stdout)
  t.match(asJson, { call: { vapi_call_id: player.callId }, timeline: [{ what: String }] })
  t.match(await calls('show', 'unheard-of'), { code: 1, stderr: /no such call/ })
  t.match(await calls('list', '--since', 'soon'), { code: 2, stderr: /--since/ })
})
