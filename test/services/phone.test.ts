import fc from 'fast-check'
import { parsePhoneNumberFromString } from 'libphonenumber-js'
import t from 'tap'
import { callerNumber, lastFour, toE164 } from '../../services/phone.ts'

t.test('a number in any notation becomes the same E.164', async (t) => {
  const notations = [
    '+17787450185',
    '17787450185',
    '7787450185',
    '778-745-0185',
    '(778) 745-0185',
    '+1 (778) 745-0185',
    '+1.778.745.0185',
    ' +1 778 745 0185 ',
    'tel:+1-778-745-0185',
    'tel:+17787450185;ext=12',
    'sip:+17787450185@sip.twilio.com',
    'SIP:17787450185@10.0.0.1:5060;transport=udp',
    'sips:7787450185@example.com',
    '011 1 778 745 0185',
  ]
  for (const text of notations) t.equal(toE164(text), '+17787450185', text)
  t.equal(toE164('+44 20 7946 0018'), '+442079460018')
  t.equal(toE164('+61 2 5550 0000'), '+61255500000')
})

t.test('what is taken for North American at a glance is what the library makes of it', async (t) => {
  const number = fc.stringMatching(/^\+1[2-9]\d{9}$/)
  fc.assert(
    fc.property(number, (text) => {
      const parsed = parsePhoneNumberFromString(text, { defaultCountry: 'US', extract: false })
      return parsed?.isPossible() === true && parsed.number === text && toE164(text) === text
    }),
    { numRuns: 20_000 },
  )
  t.pass('20,000 numbers')
})

t.test('what is no number is none', async (t) => {
  const none = [
    '',
    ' ',
    'anonymous',
    'Restricted',
    'sip:anonymous@anonymous.invalid',
    'sip:',
    '911',
    '+',
    '+0',
    '12',
  ]
  for (const text of [
    ...none,
    '+1999',
    '9'.repeat(10_000),
    undefined,
    null,
    5,
    17787450185,
    {},
    [],
    ['+17787450185'],
  ])
    t.equal(toE164(text), undefined, JSON.stringify(text)?.slice(0, 40))
})

t.test('whatever comes, the answer is E.164 or nothing', async () => {
  const anything = fc.oneof(
    fc.anything(),
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[+()0-9@:;sip.-]*$/),
  )
  fc.assert(
    fc.property(anything, (value) => {
      const number = toE164(value)
      return number === undefined || /^\+[1-9]\d{3,14}$/.test(number)
    }),
    { numRuns: 2_000 },
  )
})

t.test('what carriers send for a withheld number is not taken for a number', async (t) => {
  // ANONYMOUS, UNAVAILABLE, RESTRICTED, BLOCKED and UNKNOWN on a keypad.
  for (const digits of ['266696687', '86282452253', '7378742833', '2562533', '8656696'])
    for (const text of [digits, `+${digits}`, ` ${digits} `, `sip:${digits}@example.com`])
      t.equal(callerNumber(text), undefined, text)
  for (const text of ['anonymous', 'Anonymous', 'unknown', 'private', 'restricted', '', undefined])
    t.equal(callerNumber(text), undefined, String(text))
  t.equal(callerNumber('(250) 555-0188'), '+12505550188')
  t.equal(callerNumber('+442079460018'), '+442079460018')
})

t.test('a log holds four digits at most', async (t) => {
  t.equal(lastFour('+17787450185'), '…0185')
  t.equal(lastFour(undefined), undefined)
})
