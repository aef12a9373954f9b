import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t from 'tap'
import { createCallTokens } from '../../../services/auth/call-tokens.ts'
import { createKeyRing } from '../../../services/auth/key-ring.ts'
import type { KeyRow } from '../../../services/calls/keys-repository.ts'
import { toClient } from '../../../services/clients/client.ts'
import { NOW } from '../../helper.ts'

const ID = '0b7c9a44-6c35-4f0e-9a57-0d7c55d4e5aa'
const SECRET = 'first-secret-of-more-than-32-bytes-0123456789'
const CALL = 'call-1'
const CALLER = '+12505550188'

const clientWith = (settings: object) =>
  toClient({
    id: ID,
    client_name: 'Riverside Plumbing',
    twilio_number: '+17785550100',
    ghl_token: 't',
    location_id: 'l',
    calendar_id: null,
    timezone: 'America/Vancouver',
    settings,
    status: 'active',
  })
const client = clientWith({})

interface World {
  rows: KeyRow[]
  now: Temporal.Instant
  away: boolean
  asked: number
}

async function start(change: Partial<World> = {}, askAgainMs = 0) {
  const world: World = {
    rows: [{ id: '2', secret: SECRET, settled: true }],
    now: NOW,
    away: false,
    asked: 0,
    ...change,
  }
  const repository = {
    async keysFor() {
      world.asked += 1
      if (world.away) throw new Error('the database is away')
      return world.rows
    },
  }
  const errors: string[] = []
  const keys = createKeyRing({ repository, purpose: 'call-token', askAgainMs })
  await keys.refresh().catch(() => {})
  const log = { error: (_facts: object, message: string) => void errors.push(message) }
  const tokens = createCallTokens({ keys, clock: () => world.now, log })
  const mint = async (to = client) => (await tokens.mint(to, CALL, CALLER)) ?? ''
  return { world, keys, tokens, mint, errors }
}

t.test(
  'a token proves client, call and numbers, for as long as the call can last and 15 minutes',
  async (t) => {
    for (const [settings, seconds] of [
      [{}, 1_800],
      [{ max_duration_seconds: 600 }, 600],
    ] as const) {
      const { world, tokens, mint } = await start()
      const token = await mint(clientWith(settings))
      const proven = { clientId: ID, callId: CALL, number: '+17785550100', caller: CALLER }
      t.strictSame(await tokens.read(token), proven)
      world.now = NOW.add({ seconds: seconds + 15 * 60 - 1 })
      t.strictSame(await tokens.read(token), proven, 'the last second')
      world.now = NOW.add({ seconds: seconds + 15 * 60 })
      t.equal(await tokens.read(token), 'outdated')
    }
    const { tokens } = await start()
    const withheld = (await tokens.mint(client, CALL, undefined)) ?? ''
    t.match(await tokens.read(withheld), { callId: CALL, caller: undefined })
  },
)

t.test('what is not ours, or not for this, is forged', async (t) => {
  const { tokens, mint } = await start()
  const token = await mint()
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = (change: object, alg: string, secret: string | CryptoKey = SECRET) => {
    const key = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
    return new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg, kid: '2' }).sign(key)
  }
  const pair = await generateKeyPair('RS256', { extractable: true })
  const flipped = Buffer.from(signature, 'base64url')
  flipped[0] = (flipped[0] ?? 0) ^ 1
  const forged: Record<string, string> = {
    'nothing of a token': 'hello',
    'another secret': await signed({}, 'HS256', 'another-secret-of-more-than-32-bytes-0123456789'),
    'another issuer': await signed({ iss: 'somebody' }, 'HS256'),
    'another audience': await signed({ aud: 'admin' }, 'HS256'),
    'no expiry': await signed({ exp: undefined }, 'HS256'),
    'no client': await signed({ sub: undefined }, 'HS256'),
    'no call': await signed({ call: 5 }, 'HS256'),
    HS512: await signed({}, 'HS512', SECRET.repeat(2)),
    RS256: await signed({}, 'RS256', pair.privateKey),
    'a key of its own': `${encode({ alg: 'RS256', kid: '2', jwk: await exportJWK(pair.publicKey) })}.${payload}.${signature}`,
    none: `${encode({ alg: 'none', kid: '2' })}.${payload}.`,
    None: `${encode({ alg: 'None', kid: '2' })}.${payload}.`,
    'no key id': `${encode({ alg: 'HS256' })}.${payload}.${signature}`,
    'another client': `${header}.${encode({ ...claims, sub: '00000000-0000-4000-8000-000000000000' })}.${signature}`,
    'a flipped bit': `${header}.${payload}.${flipped.toString('base64url')}`,
    'no signature': `${header}.${payload}.`,
  }
  for (const [name, text] of Object.entries(forged)) t.equal(await tokens.read(text), 'forged', name)
  t.type(await tokens.read(await signed({}, 'HS256')), 'object', 'signed as it should be, the same is good')
})

t.test(
  'rotation: a new key is known before it signs, and old tokens stay good while their key is there',
  async (t) => {
    const { world, keys, tokens, mint } = await start()
    const other = await start({ rows: world.rows })
    const before = await mint()
    const rows: KeyRow[] = [
      { id: '3', secret: 'a-second-secret-of-more-than-32-bytes-01234', settled: false },
      ...world.rows,
    ]
    world.rows = rows
    await keys.refresh()
    t.equal(keys.signing()?.id, '2', 'too young to sign')
    world.rows = rows.map((row) => ({ ...row, settled: true }))
    await keys.refresh()
    t.equal(keys.signing()?.id, '3')
    const after = await mint()
    for (const token of [before, after]) t.match(await tokens.read(token), { callId: CALL })

    // Another instance, which has not heard of it.
    const asked = other.world.asked
    t.equal(await other.tokens.read(after), 'outdated', 'the key is nowhere')
    other.world.rows = world.rows
    t.match(await other.tokens.read(after), { callId: CALL }, 'the table is read again')
    t.equal(other.world.asked, asked + 2)
    t.match(await other.tokens.read(after), { callId: CALL })
    t.equal(other.world.asked, asked + 2, 'and then it is known')

    world.rows = world.rows.slice(0, 1)
    await keys.refresh()
    t.equal(await tokens.read(before), 'outdated', 'its key has been taken away')
    t.match(await tokens.read(after), { callId: CALL })
  },
)

t.test('the first key of all signs at once', async (t) => {
  const { keys, mint, tokens } = await start({ rows: [{ id: '1', secret: SECRET, settled: false }] })
  t.equal(keys.signing()?.id, '1')
  t.match(await tokens.read(await mint()), { callId: CALL })
})

t.test('strangers with keys of their own cannot keep the database busy', async (t) => {
  const { world, tokens } = await start({}, 60_000)
  const stranger = await start({ rows: [{ id: '999', secret: SECRET, settled: true }] })
  const token = await stranger.mint()
  for (let i = 0; i < 50; i += 1) t.equal(await tokens.read(token), 'outdated')
  t.equal(world.asked, 2, 'at the start, and for the first of them')
})

t.test('what was verified once is good until its time is over or its key is gone', async (t) => {
  const { world, keys, tokens, mint } = await start()
  const token = await mint()
  const first = await tokens.read(token)
  t.match(first, { clientId: ID, callId: CALL, caller: CALLER })
  t.strictSame(await tokens.read(token), first)
  t.equal(await tokens.read(`${token.slice(0, -2)}AA`), 'forged', 'another signature is looked at')

  world.rows = [{ id: '2', secret: `${SECRET}, changed`, settled: true }]
  await keys.refresh()
  t.equal(await tokens.read(token), 'forged', 'a key that has changed under its id')
  world.rows = [{ id: '3', secret: SECRET, settled: true }]
  await keys.refresh()
  t.equal(await tokens.read(token), 'outdated', 'a key that is gone')
  world.rows = [{ id: '2', secret: SECRET, settled: true }]
  await keys.refresh()
  t.strictSame(await tokens.read(token), first, 'and is back')
  world.now = world.now.add({ hours: 2 })
  t.equal(await tokens.read(token), 'outdated', 'its time is over')
})

t.test('while the database is away, what is known goes on', async (t) => {
  const { world, keys, tokens, mint } = await start()
  world.away = true
  await t.rejects(keys.refresh(), /away/)
  t.match(await tokens.read(await mint()), { callId: CALL })
  const stranger = await start({ rows: [{ id: '999', secret: SECRET, settled: true }] })
  t.equal(await tokens.read(await stranger.mint()), 'outdated')
})

t.test('where none can be minted the call goes on without', async (t) => {
  const { tokens, errors } = await start({ rows: [] })
  t.equal(await tokens.mint(client, CALL, CALLER), undefined)
  const { tokens: others, errors: otherErrors } = await start()
  t.equal(await others.mint(client, 'x'.repeat(201), CALLER), undefined)
  t.strictSame([...errors, ...otherErrors], ['a call goes without a token', 'a call goes without a token'])
})

t.test('a token is byte for byte the one that jose would make', async (t) => {
  const { mint } = await start()
  const seconds = Math.floor(NOW.epochMilliseconds / 1_000)
  const expected = await new SignJWT({ call: CALL, number: client.number, caller: CALLER })
    .setProtectedHeader({ alg: 'HS256', kid: '2' })
    .setIssuer('1000x-agent')
    .setAudience('call')
    .setSubject(ID)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 1_800 + 900)
    .sign(new TextEncoder().encode(SECRET))
  t.equal(await mint(), expected)
})
