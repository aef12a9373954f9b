import type { Client } from '../clients/client.ts'
import { rememberedByMinute, sayDate, sayTime } from '../time.ts'
import { greetingOf, noticeOf } from './opening.ts'
import { PHRASES } from './phrases.ts'
import { peopleOf } from './transfer.ts'

/**
 * VAPI fills `{{ … }}` and `{% … %}` in prompts and messages before it uses them. Text a business has
 * written must arrive as written: a stray brace would be swallowed, or fail the call.
 */
export function literal(text: string): string {
  return text.replace(/\{(?=[{%])/g, '{ ')
}

/** What the receptionist is told of the call at hand. Nothing else in the prompt differs from call to call. */
export type Told = {
  /** Undefined where the business has no zone. */
  now: string | undefined
  caller: string
}

/** What the receptionist is told: who it is, what it knows, how to behave, who calls and what time it is. */
export function systemPrompt(client: Client, told: Told): string {
  const { settings } = client
  const business = client.name || 'the business'
  const canBook = Boolean(client.timezone && client.crm.calendarId)
  return [
    `You are the receptionist of ${business}, answering its phone. You are an AI; say so if you are asked.`,
    settings.language && settings.language !== 'en' && `Speak ${PHRASES[settings.language].language}.`,
    section('Recording', consentRules(client)),
    section('The business', settings.business_details),
    section('Services', settings.services?.map((service) => `- ${service}`).join('\n')),
    section('Opening hours', settings.hours),
    section(
      'How to talk',
      [
        'This is a phone call: keep to one or two short sentences at a time, in plain words, without lists,',
        'symbols or links. Ask one question at a time. Say times as people do ("Friday at nine in the morning").',
        'Never invent prices, times, people or promises. What you do not know, say so, and offer to have',
        'somebody call back. When the caller has said goodbye, end the call.',
      ].join(' '),
    ),
    canBook
      ? section(
          'Appointments',
          [
            'Offer only times that check_availability has returned. Before you book, repeat the day, the time and',
            "the caller's name, and wait for a yes. Say that something is booked, moved or cancelled only after the",
            'tool has confirmed it. If a tool fails, follow what it says.',
          ].join(' '),
        )
      : section(
          'Appointments',
          'You cannot book appointments. Take a message with what the caller needs and a good time to call back.',
        ),
    section(
      'When you cannot help',
      peopleOf(client)
        ? 'Offer to connect the caller with somebody and use transferCall, or take a message with take_message.'
        : 'Take a message with take_message and say that somebody will call back.',
    ),
    section('Further instructions', settings.instructions),
    section('Now', told.now),
    section('The caller', told.caller),
  ]
    .filter(Boolean)
    .map((part) => literal(part as string))
    .join('\n\n')
}

/** How the caller's answer to the first question is taken. */
function consentRules(client: Client): string | undefined {
  const notice = noticeOf(client)
  if (notice?.kind !== 'ask') return undefined
  return [
    `The call has begun with this question: "${notice.wording}" When the caller has answered, use record_consent`,
    'before anything else: granted is true after a clear yes, and false after a no, or where the answer is not clear.',
    `Then go on with the greeting: "${greetingOf(client)}" Do not ask a second time, and help just the same whatever`,
    'the answer was. A caller who changes the answer later may do so: use record_consent again.',
  ].join(' ')
}

const section = (title: string, body: string | undefined) => body && `${title}:\n${body}`

/** `caller` in E.164; undefined where it is withheld. */
export const sayCaller = (caller: string | undefined) =>
  caller ? `Calls from ${caller}. There is no need to ask for the number.` : 'The number is withheld.'

/** Today and the coming week by name: language models are poor at telling which date a weekday has. */
export const sayNow = rememberedByMinute((now, zone) => {
  const today = now.toZonedDateTimeISO(zone)
  const coming = [1, 2, 3, 4, 5, 6, 7].map((days) => {
    const day = today.add({ days })
    return `${sayDate(day.toInstant(), zone)} is ${day.toPlainDate()}`
  })
  return [
    `It is ${sayDate(now, zone)}, ${sayTime(now, zone)} (${zone}). Today's date is ${today.toPlainDate()}.`,
    `${coming.join('; ')}.`,
  ].join('\n')
})
