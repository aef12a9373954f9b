/**
 * `npm run demo`: one phone call through the real server, from the ring to the note in the CRM.
 * VAPI's part is played over HTTP; the CRM is the sandbox; the database is a real PostgreSQL.
 * Exit code 0 only if every step was as expected. `-- --keep` leaves everything running.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { buildApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { createClientRepository } from '../services/clients/repository.ts'
import { freePort } from '../services/database/free-port.ts'
import { startCrmSandbox } from './crm/server.ts'
import { firstOffer } from './offer.ts'
import { createPlayer, type Played } from './player.ts'
import { startVapiApi } from './vapi-api.ts'

const CALLED = '+17787450185'
const CALLER = '+12505550188'
const LOCATION = 'DemoLocation00000001'
const CALENDAR = 'DemoCalendar00000001'
const ZONE = 'America/Vancouver'
const keep = process.argv.includes('--keep')

let failed = 0
let step = 0
function show(what: string, played: Played | undefined, ok: boolean, remark: string) {
  step += 1
  if (!ok) failed += 1
  const ms = played ? `${played.ms.toFixed(1)} ms` : ''
  console.log(
    `${ok ? ' ok ' : 'FAIL'} ${String(step).padStart(2)}  ${what.padEnd(30)} ${ms.padStart(10)}  ${remark}`,
  )
}
const cut = (text: string, max = 90) => (text.length > max ? `${text.slice(0, max - 1)}…` : text)

console.log('1000x Agent: one phone call, played over HTTP as VAPI sends it\n')
const crm = await startCrmSandbox({
  log: (line) => console.log(line),
  locations: [
    {
      id: LOCATION,
      token: 'pit-demo',
      name: 'Riverside Plumbing',
      timezone: ZONE,
      calendars: [
        {
          id: CALENDAR,
          name: 'Visits',
          slotMinutes: 60,
          openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '17:00' }],
        },
      ],
    },
  ],
})
const vapi = await startVapiApi({ key: 'demo-key' })
const port = await freePort()
const config = loadConfig({
  PORT: String(port),
  HOST: '127.0.0.1',
  LOG_LEVEL: process.env.LOG_LEVEL ?? 'error',
  PUBLIC_URL: `http://127.0.0.1:${port}`,
  VAPI_WEBHOOK_TOKEN: 'demo-token',
  VAPI_API_KEY: 'demo-key',
  VAPI_BASE_URL: vapi.url,
  GHL_BASE_URL: crm.url,
})
const app = await buildApp({ ...config, dataDirectory: '.data/demo' })
await app.listen({ host: config.host, port })

const clientId = await createClientRepository({ sql: app.sql }).put({
  client_name: 'Riverside Plumbing',
  twilio_number: CALLED,
  ghl_token: 'pit-demo',
  location_id: LOCATION,
  calendar_id: CALENDAR,
  timezone: ZONE,
  settings: {
    business_details: 'Family business since 1987. Emergencies are served within two hours.',
    services: ['Leaks and burst pipes', 'Drains', 'Water heaters'],
    hours: 'Every day from 9 to 5.',
  },
})
const webhookUrl = `${config.publicUrl}/vapi/webhooks`
console.log(`server ${config.publicUrl}, client "Riverside Plumbing" under ${CALLED}\n`)

const call = createPlayer({ webhookUrl, token: 'demo-token', called: CALLED, caller: CALLER })
vapi.addCall({ id: call.callId })
await play()
const note = await showResult()
await showRecording(note)

console.log(
  failed === 0 ? '\nEvery step was as expected.' : `\n${failed} of ${step} steps were not as expected.`,
)
if (keep) {
  console.log(`\nStill running (Ctrl-C ends it):
  server        ${config.publicUrl}   (bearer token demo-token, client ${clientId})
  CRM sandbox   ${crm.url}   (ledger: ${crm.url}/_sandbox/ledger)
  VAPI stand-in ${vapi.url}
  PostgreSQL    ${app.database.url}`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end())
} else {
  await end()
}

async function end() {
  await app.close()
  await Promise.all([crm.close(), vapi.close()])
  process.exitCode = failed === 0 ? 0 : 1
}

async function play() {
  const ring = await call.ring()
  const answer = ring.body as {
    assistant?: { firstMessage?: string; metadata?: { clientId?: string }; model?: { tools?: unknown[] } }
  }
  show(
    'assistant-request',
    ring,
    ring.status === 200 && answer.assistant?.metadata?.clientId === clientId,
    `${answer.assistant?.model?.tools?.length ?? 0} tools, "${cut(answer.assistant?.firstMessage ?? 'nobody answers', 70)}"`,
  )
  for (const status of ['queued', 'ringing', 'in-progress'])
    await acknowledged(`status-update ${status}`, call.status(status))
  await acknowledged('speech-update', call.speech('assistant', 'started'))

  const found = await tool('find_or_create_contact', { name: 'Ann Lee' })
  show('tool find_or_create_contact', found.played, found.result !== undefined, cut(found.text))
  const free = await tool('check_availability', {})
  show('tool check_availability', free.played, free.text.startsWith('Free: '), cut(free.text))
  await acknowledged(
    'conversation-update',
    call.conversation([{ role: 'user', content: 'The first one, please.' }]),
  )
  const booked = await tool('book_appointment', {
    start_time: firstOffer(free.text, ZONE),
    name: 'Ann Lee',
    title: 'Leaking tap',
  })
  show('tool book_appointment', booked.played, booked.text.startsWith('Booked: '), cut(booked.text))

  await acknowledged('status-update ended', call.status('ended', { endedReason: 'customer-ended-call' }))
  await acknowledged(
    'end-of-call-report',
    call.report({
      transcript: 'AI: Thank you for calling Riverside Plumbing.\nUser: My tap is leaking.\n',
      summary: 'Ann Lee has a leaking kitchen tap and booked a visit.',
      structuredData: { caller_name: 'Ann Lee', reason: 'A leaking kitchen tap', outcome: 'Visit booked' },
    }),
  )
}

async function acknowledged(what: string, sent: Promise<Played>) {
  const played = await sent
  show(what, played, played.status === 200, '')
}

async function tool(name: string, args: Record<string, unknown>) {
  const played = await call.tool(name, args)
  const [result] = (played.body as { results?: { result?: string; error?: string }[] }).results ?? []
  return { played, result: result?.result, text: result?.result ?? result?.error ?? 'no result' }
}

async function showResult(): Promise<string> {
  const location = () => crm.location(LOCATION)
  const written = () => location().contacts.flatMap((contact) => contact.notes)
  const deadline = performance.now() + 15_000
  while (written().length === 0 && performance.now() < deadline) await pause(50)
  const contacts = location().contacts
  const appointments = location().appointments
  const notes = written()
  show(
    'CRM: contact',
    undefined,
    contacts.length === 1 && contacts[0]?.phone === CALLER,
    `${contacts.length} written`,
  )
  show(
    'CRM: appointment',
    undefined,
    appointments.length === 1 && appointments[0]?.contactId === contacts[0]?.id,
    `${appointments.length} written`,
  )
  show(
    'CRM: note',
    undefined,
    notes.length === 1 && Boolean(notes[0]?.body.includes(call.callId)),
    `${notes.length} written`,
  )

  const [session] = await app.sql.forAllClients`
    select status, ended_reason, duration_seconds, caller, ghl_contact_id, length(transcript) as transcript_length, summary
    from voice_sessions where vapi_call_id = ${call.callId}`
  const events = await app.sql.forAllClients`
    select event_key from call_events where vapi_call_id = ${call.callId} order by received_at`
  show(
    'database: voice session',
    undefined,
    session?.status === 'ended' && session.ghl_contact_id === contacts[0]?.id,
    '1 row',
  )
  console.log('\nIn the database')
  for (const [name, value] of Object.entries(session ?? {})) console.log(`  ${name.padEnd(18)} ${value}`)
  console.log(`  ${'events'.padEnd(18)} ${events.map(({ event_key }) => event_key).join(', ')}`)
  console.log('\nIn the CRM')
  for (const { id, contactName, phone } of contacts as readonly {
    id: string
    contactName?: string
    phone?: string
  }[]) {
    console.log(`  contact            ${id} ${contactName ?? ''} ${phone ?? ''}`)
  }
  for (const { id, title, startTime } of appointments)
    console.log(`  appointment        ${id} ${title ?? ''} ${startTime}`)
  for (const { id, body } of notes)
    console.log(`  note               ${id}\n${body.replace(/^/gm, '    | ')}`)
  return notes[0]?.body ?? ''
}

async function showRecording(body: string) {
  const [link] = /http\S+\/recordings\/\S+/.exec(body) ?? []
  const visit = link ? await request(link) : undefined
  await visit?.body.dump()
  console.log('')
  show(
    'recording link in the note',
    undefined,
    visit?.statusCode === 302,
    `leads to ${cut(String(visit?.headers.location), 60)}`,
  )
}
