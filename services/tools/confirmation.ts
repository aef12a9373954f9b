import type { ToolContext } from './define.ts'

/**
 * Confirms a booking by text message, if the client's settings have a text for it. Says whether one was sent.
 * Never rejects, and never repeats: the appointment stands with or without it.
 */
export async function confirmBySms(
  { client, ghl, log }: ToolContext,
  contactId: string,
  at: Temporal.Instant,
): Promise<boolean> {
  const { sms_confirmation: template, language = 'en' } = client.settings
  if (!template || !client.timezone) return false
  const time = at
    .toLocaleString(language, { timeZone: client.timezone, dateStyle: 'full', timeStyle: 'short' })
    .replace(/[\u202f\u00a0]/g, ' ')
  const message = template.replaceAll('{business}', client.name).replaceAll('{time}', time)
  try {
    if (await ghl.conversations.refusesSms(contactId)) return false
    await ghl.conversations.sendSms(contactId, message)
    return true
  } catch (error) {
    log.warn({ client: client.id, err: error }, 'a booking could not be confirmed by text message')
    return false
  }
}
