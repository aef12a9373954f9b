import { STATUS_CODES } from 'node:http'

/** An answer the sandbox refuses with, in GoHighLevel's form: `{ statusCode, message, error, traceId }`. */
export class Refusal extends Error {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  private readonly text: string | readonly string[]
  private readonly extra: Readonly<Record<string, unknown>>

  constructor(
    statusCode: number,
    text: string | readonly string[],
    extra: Readonly<Record<string, unknown>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(typeof text === 'string' ? text : text.join('; '))
    this.statusCode = statusCode
    this.text = text
    this.extra = extra
    this.headers = headers
  }

  body(): Record<string, unknown> {
    return {
      statusCode: this.statusCode,
      message: this.text,
      error: STATUS_CODES[this.statusCode] ?? 'Error',
      ...this.extra,
    }
  }
}

export const badRequest = (text: string, extra?: Readonly<Record<string, unknown>>) =>
  new Refusal(400, text, extra)

export const unauthorized = (text: string) => new Refusal(401, text)

/** A valid token that reaches for another sub-account: GoHighLevel tells it apart from a bad token. */
export const foreignLocation = () => new Refusal(403, 'The token does not have access to this location.')

/** Validation answers always carry a list, even for a single complaint. */
export const unprocessable = (...texts: string[]) => new Refusal(422, texts)

export const slotTaken = () => badRequest('The slot you have selected is no longer available.')
