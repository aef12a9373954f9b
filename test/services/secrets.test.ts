import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createSecrets, placeOf, SecretError } from '../../services/secrets.ts'

const OLD = randomBytes(32).toString('hex')
const NEW = randomBytes(32).toString('base64')
const A = placeOf('clients.ghl_token', '11111111-1111-4111-8111-111111111111')
const B = placeOf('clients.ghl_token', '22222222-2222-4222-8222-222222222222')

const refused = (open: () => string, code: SecretError['code'], plain = '') => {
  try {
    open()
  } catch (error) {
    const { message, stack = '' } = error as Error
    return (
      error instanceof SecretError && error.code === code && !(plain && (message + stack).includes(plain))
    )
  }
  return false
}

t.test('what is sealed opens in its place, and is another text each time', async (t) => {
  const secrets = createSecrets([OLD])
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (plain) => {
      const text = plain.toWellFormed()
      const sealed = secrets.seal(text, A)
      return secrets.open(sealed, A) === text && sealed !== secrets.seal(text, A) && secrets.isCurrent(sealed)
    }),
  )
  t.match(secrets.seal('pit-1', A), /^sealed:v1:[0-9a-f]{8}:[\w-]+$/)
})

t.test('a character that was changed, another row, another column: it does not open', async (t) => {
  const secrets = createSecrets([OLD])
  const sealed = secrets.seal('pit-very-secret', A)
  const start = sealed.lastIndexOf(':') + 1
  for (let at = start; at < sealed.length; at += 1) {
    const bytes = Buffer.from(sealed.slice(start), 'base64url')
    const byte = Math.floor(((at - start) * 6) / 8)
    bytes[byte] = (bytes[byte] ?? 0) ^ (1 << (at % 8))
    const flipped = sealed.slice(0, start) + bytes.toString('base64url')
    t.ok(
      refused(() => secrets.open(flipped, A), 'TAMPERED', 'very-secret'),
      `a bit of byte ${byte}`,
    )
  }
  t.ok(
    refused(() => secrets.open(sealed, B), 'TAMPERED'),
    'another row',
  )
  const column = placeOf('ghl_oauth_tokens.access_token', '11111111-1111-4111-8111-111111111111')
  t.ok(
    refused(() => secrets.open(sealed, column), 'TAMPERED'),
    'another column',
  )
})

t.test('keys are changed one after the other', async (t) => {
  const before = createSecrets([OLD])
  const sealed = before.seal('pit-1', A)
  const between = createSecrets([NEW, OLD])
  t.equal(between.open(sealed, A), 'pit-1')
  t.notOk(between.isCurrent(sealed))
  const again = between.seal('pit-1', A)
  t.ok(between.isCurrent(again))
  t.equal(createSecrets([OLD, NEW]).open(again, A), 'pit-1')
  const after = createSecrets([NEW])
  t.equal(after.open(again, A), 'pit-1')
  t.ok(refused(() => after.open(sealed, A), 'KEY_MISSING'))
  t.not(before.keyIds[0], after.keyIds[0])
  t.same(createSecrets([Buffer.from(OLD, 'hex').toString('base64')]).keyIds, before.keyIds, 'hex or base64')
})

t.test('without a key what is plain stays plain, and what is sealed does not open', async (t) => {
  const none = createSecrets([])
  t.equal(none.seal('pit-1', A), 'pit-1')
  t.equal(none.open('pit-1', A), 'pit-1')
  t.ok(none.isCurrent('pit-1'))
  t.ok(refused(() => none.open(createSecrets([OLD]).seal('pit-1', A), A), 'KEY_MISSING'))
  t.equal(createSecrets([OLD]).open('pit-1', A), 'pit-1', 'a token of before there was a key')
  t.notOk(createSecrets([OLD]).isCurrent('pit-1'))
})

t.test('what only looks sealed is no token', async (t) => {
  const secrets = createSecrets([OLD])
  const id = secrets.keyIds[0]
  for (const text of [
    'sealed:',
    'sealed:v1:',
    'sealed:v2:x:y',
    `sealed:v1:${id}:`,
    `sealed:v1:${id}:AAAA`,
    `sealed:v1:${id}:%%%`,
  ])
    t.ok(
      refused(() => secrets.open(text, A), 'MALFORMED'),
      text,
    )
})
