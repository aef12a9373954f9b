/** What a language model makes of "Free: Tuesday, November 24 at 9:00 AM, …": the wall time of the first offer. */
export function firstOffer(sentence: string, zone: string): string {
  const [, day, time] = /^Free: (\w+, \w+ \d+) at (\d+:\d+ [AP]M)/.exec(sentence) ?? []
  const today = Temporal.Now.plainDateISO(zone)
  for (let days = 0; days < 31; days++) {
    const date = today.add({ days })
    if (date.toLocaleString('en-US', { weekday: 'long', month: 'long', day: 'numeric' }) !== day) continue
    const [, hour = '0', minute = '0', half] = /^(\d+):(\d+) ([AP]M)/.exec(time ?? '') ?? []
    return date
      .toPlainDateTime({ hour: (Number(hour) % 12) + (half === 'PM' ? 12 : 0), minute: Number(minute) })
      .toString()
  }
  return ''
}
