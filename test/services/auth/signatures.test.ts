import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { createSignatures } from '../../../services/auth/signatures.ts'
import { NOW } from '../../helper.ts'

const SECRET = `whsec_${Buffer.from('a secret of VAPI, as bytes').toString('base64')}`
const PLAIN = 'a secret as it is typed'
const seconds = (at: Temporal.Instant) => Math.floor(at.epochMilliseconds / 1_000)
const clock = () => NOW

/** Signed by the reference implementation. */
function headersFor(body: string, { secret = SECRET, id = 'msg_1', at = NOW } = {}) {
  const webhook = new Webhook(secret, secret.startsWith('whsec_') ? undefined : { format: 'raw' })
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds(at)),
    'webhook-signature': webhook.sign(id, new Date(at.epochMilliseconds), body),
  }
}

function isRight(secrets: string[], headers: Record<string, string>, body: string | Buffer) {
  const signatures = createSignatures({ secrets, clock })
  const signed = signatures.read(headers)
  return signed !== undefined && signatures.verify(signed, Buffer.from(body))
}

t.test('what the reference implementation signs is right, whatever it is', async (t) => {
  const text = fc.string({ unit: 'binary' }).filter((body) => body.isWellFormed())
  const id = fc
    .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 60 })
    .map((given) => `m${given.replaceAll(' ', '')}`)
  fc.assert(
    fc.property(text, id, fc.constantFrom(SECRET, PLAIN), (body, messageId, secret) => {
      const headers = headersFor(body, { secret, id: messageId })
      t.ok(isRight([SECRET, PLAIN], headers, body))
      t.notOk(isRight(['another'], headers, body))
      t.notOk(isRight([secret], headers, `${body} `))
    }),
  )
})

t.test('bytes are signed, not text', async (t) => {
  const bytes = Buffer.from([0x7b, 0xff, 0xc0, 0x7d])
  const headers = headersFor(bytes.toString())
  t.notOk(isRight([SECRET], headers, bytes), 'what they would read as is something else')
  t.ok(isRight([SECRET], headers, bytes.toString()))
})

t.test('five minutes, both ways, in seconds or milliseconds', async (t) => {
  const body = '{}'
  for (const [offset, right] of [
    [-301, false],
    [-300, true],
    [0, true],
    [300, true],
    [301, false],
  ] as const) {
    const at = NOW.add({ seconds: offset })
    t.equal(isRight([SECRET], headersFor(body, { at }), body), right, `${offset} s`)
    // The reference implementation signs what it is given as seconds.
    const inMilliseconds = headersFor(body, {
      at: Temporal.Instant.fromEpochMilliseconds(at.epochMilliseconds * 1_000),
    })
    t.equal(inMilliseconds['webhook-timestamp'], String(at.epochMilliseconds))
    t.equal(isRight([SECRET], inMilliseconds, body), right, `${offset} s, in milliseconds`)
  }
  const late = headersFor(body, { at: NOW.subtract({ hours: 1 }) })
  t.notOk(
    isRight([SECRET], { ...late, 'webhook-timestamp': String(seconds(NOW)) }, body),
    'the time is signed too',
  )
})

t.test('while a secret is rotated several may sign, and several may have signed', async (t) => {
  const body = '{}'
  const old = headersFor(body, { secret: PLAIN })
  const both = {
    ...old,
    'webhook-signature': `${old['webhook-signature']} ${headersFor(body)['webhook-signature']}`,
  }
  t.ok(isRight([SECRET], both, body))
  t.ok(isRight([PLAIN], both, body))
  t.ok(isRight([SECRET, PLAIN], old, body))
  t.notOk(isRight(['third'], both, body))
})

t.test('what is no signature is not looked at, so that no body is read for it', async (t) => {
  const good = headersFor('{}')
  const signatures = createSignatures({ secrets: [SECRET], clock })
  t.ok(signatures.read(good))
  const [, mac = ''] = good['webhook-signature'].split(',')
  const strange: Record<string, Record<string, string>> = {
    'no id': { 'webhook-id': '' },
    'a long id': { 'webhook-id': 'x'.repeat(201) },
    'an id with a space': { 'webhook-id': 'a b' },
    'no time': { 'webhook-timestamp': '' },
    'words for a time': { 'webhook-timestamp': 'now' },
    'a time with a sign': { 'webhook-timestamp': `+${seconds(NOW)}` },
    'a time with a point': { 'webhook-timestamp': `${seconds(NOW)}.5` },
    'no signature': { 'webhook-signature': '' },
    'no version': { 'webhook-signature': mac },
    'another version': { 'webhook-signature': `v1a,${mac}` },
    'a short one': { 'webhook-signature': `v1,${mac.slice(0, 20)}` },
    'a long one': { 'webhook-signature': `v1,${randomBytes(64).toString('base64')}` },
  }
  for (const [name, change] of Object.entries(strange)) t.notOk(signatures.read({ ...good, ...change }), name)
  t.notOk(createSignatures({ secrets: [], clock }).read(good), 'nor without a secret')
})
