/**
 * A phone number in the notations that turn up in messages: with a plus (or its escape in a URL), in groups, or as
 * ten digits and more. Digits inside ids and dates are none.
 */
const PHONE =
  /(?:\+|%2B)\d{7,15}|(?<![\w.-])\(?\d{3}\)?[ .-]?\d{3}[ .-]\d{4}(?!\w)|(?<![\w.-])\d{10,15}(?![\w-])/gi

/** Of each phone number in a text, the last four digits. */
export function maskNumbers(text: string): string {
  return text.replace(PHONE, (number) => `…${number.slice(-4)}`)
}

const MESSAGE_MAX = 300

/**
 * What may leave the house of an error's message: its wording. Addresses, what is in quotes (an error quotes what it
 * was given), long words (tokens, ids) and all digits go.
 */
export function wordingOf(message: string): string {
  return message
    .slice(0, 10 * MESSAGE_MAX)
    .replace(/\b[a-z][a-z+.-]*:\/\/\S+/gi, '[url]')
    .replace(/\S+@\S+/g, '[address]')
    .replace(/"[^"]*"?|'[^'\n]*'|`[^`]*`?|\u201c[^\u201d]*\u201d?/g, '[quoted]')
    .replace(/[\w+/=.:~-]{20,}/g, '[token]')
    .replace(/\d/g, '#')
    .slice(0, MESSAGE_MAX)
}
