import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { literal } from '../../../services/assistant/prompt.ts'
import { client, promptOf, withSettings } from './clients.ts'

/** What the prompt says about now, in a zone, at an instant. */
const nowIn = (timezone: string, instant: string) =>
  promptOf(client({ timezone }), undefined, Temporal.Instant.from(instant)).split('Now:\n')[1]?.split('\n')[0]

t.test('weekday, date and time are those of the business', async (t) => {
  const cases: [string, string, string][] = [
    // British Columbia stays on UTC−7 from 2026 on.
    ['America/Vancouver', '2026-12-15T16:05:00Z', 'Tuesday, December 15, 2026, 9:05 AM|2026-12-15'],
    ['America/Vancouver', '2026-12-16T06:59:00Z', 'Tuesday, December 15, 2026, 11:59 PM|2026-12-15'],
    ['America/Vancouver', '2026-12-16T07:00:00Z', 'Wednesday, December 16, 2026, 12:00 AM|2026-12-16'],
    ['Asia/Kolkata', '2026-08-20T18:29:00Z', 'Thursday, August 20, 2026, 11:59 PM|2026-08-20'],
    ['Asia/Kolkata', '2026-08-20T18:30:00Z', 'Friday, August 21, 2026, 12:00 AM|2026-08-21'],
    ['Australia/Adelaide', '2026-08-21T15:00:00Z', 'Saturday, August 22, 2026, 12:30 AM|2026-08-22'],
    ['Australia/Adelaide', '2026-12-31T13:30:00Z', 'Friday, January 1, 2027, 12:00 AM|2027-01-01'],
    ['America/St_Johns', '2026-08-21T15:00:00Z', 'Friday, August 21, 2026, 12:30 PM|2026-08-21'],
    ['America/St_Johns', '2026-12-21T15:00:00Z', 'Monday, December 21, 2026, 11:30 AM|2026-12-21'],
    ['Pacific/Kiritimati', '2026-12-31T10:00:00Z', 'Friday, January 1, 2027, 12:00 AM|2027-01-01'],
  ]
  for (const [zone, instant, expected] of cases) {
    const [said, date] = expected.split('|')
    t.equal(nowIn(zone, instant), `It is ${said} (${zone}). Today's date is ${date}.`)
  }
})

t.test('the zone of the process plays no part', async (t) => {
  const here = JSON.stringify(new URL('./clients.ts', import.meta.url).href)
  const script = `
    const { client, promptOf } = await import(${here})
    process.stdout.write(promptOf(client({ timezone: 'Asia/Kolkata' })))`
  const prompts = new Set([promptOf(client({ timezone: 'Asia/Kolkata' }))])
  for (const TZ of ['Pacific/Kiritimati', 'America/Los_Angeles', 'UTC']) {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TZ },
    })
    t.match(stdout, /Friday, August 21, 2026, 8:30 PM/)
    prompts.add(stdout)
  }
  t.equal(prompts.size, 1)
})

t.test('the coming week is spelled out, across a change of clocks', async (t) => {
  // Clocks go back in St. John's on 1 November 2026.
  const prompt = promptOf(
    client({ timezone: 'America/St_Johns' }),
    undefined,
    Temporal.Instant.from('2026-10-30T15:00:00Z'),
  )
  const week = [...prompt.matchAll(/(\w+day), (\w+ \d+), 2026 is (2026-\d\d-\d\d)/g)].map((match) =>
    match.slice(1),
  )
  t.strictSame(week, [
    ['Saturday', 'October 31', '2026-10-31'],
    ['Sunday', 'November 1', '2026-11-01'],
    ['Monday', 'November 2', '2026-11-02'],
    ['Tuesday', 'November 3', '2026-11-03'],
    ['Wednesday', 'November 4', '2026-11-04'],
    ['Thursday', 'November 5', '2026-11-05'],
    ['Friday', 'November 6', '2026-11-06'],
  ])
})

t.test('without a zone no time is claimed', async (t) => {
  t.notMatch(promptOf(client({ timezone: 'Mars/Olympus' })), /Now:|Today's date/)
})

t.test('the caller is named by number, or said to be withheld', async (t) => {
  t.match(promptOf(client(), '+12505550188'), /Calls from \+12505550188\./)
  const prompt = promptOf(client(), null)
  t.match(prompt, /The number is withheld\./)
  t.notMatch(prompt, /Calls from/)
})

t.test('what the business has written arrives as it was written', async (t) => {
  const settings = {
    business_details: 'Open "late".\nאנחנו פתוחים עד חצות\r\nParking: \\back\\ & <b>',
    services: ['Drain cleaning', 'Boilers'],
    hours: 'Mon to Fri 9–17',
    instructions: 'Never say "cheap".',
  }
  const prompt = promptOf(withSettings(settings))
  for (const text of [
    settings.business_details,
    '- Drain cleaning\n- Boilers',
    settings.hours,
    settings.instructions,
  ])
    t.ok(prompt.includes(text), text)
  t.match(prompt, /receptionist of Riverside Plumbing/)
})

t.test('braces that VAPI would fill in come through as text', async (t) => {
  const written = '{{ customer.number }} {% assign x = 1 %} {{{x}}} {%{{%'
  const prompt = promptOf(
    client({
      client_name: 'The {{name}}',
      settings: { business_details: written, services: [written], hours: written, instructions: written },
    }),
  )
  t.notMatch(prompt, /\{[{%]/)
  t.match(prompt, 'customer.number')
  t.equal(literal('a { b } {c} {"json": {"x": 1}}'), 'a { b } {c} {"json": {"x": 1}}')
  t.equal(literal('{{{'), '{ { {')
})

t.test('a business without a calendar is told not to book', async (t) => {
  t.match(promptOf(client({ calendar_id: null })), /You cannot book appointments/)
  t.match(promptOf(client()), /Offer only times that check_availability has returned/)
})

t.test('another language is asked for by name', async (t) => {
  t.match(promptOf(withSettings({ language: 'fr' })), /Speak French\./)
  t.notMatch(promptOf(withSettings({ language: 'en' })), /Speak /)
})
