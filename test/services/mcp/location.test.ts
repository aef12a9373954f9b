import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { withOwnLocation } from '../../../services/mcp/location.ts'

const OWN = 'OwnLocation000000001'
const FOREIGN = 'ForeignLocation00001'

/** Ways in which a location's id is named: any case, punctuation and prefix. */
const names = fc
  .tuple(
    fc.constantFrom('', 'path_', 'query_', 'body_', 'header-', 'query_body_'),
    fc.constantFrom(
      'locationId',
      'location_id',
      'location-id',
      'locationIds',
      'altId',
      'subAccountId',
      'Location.ID',
    ),
    fc.infiniteStream(fc.boolean()),
  )
  .map(([prefix, name, upper]) =>
    [...(prefix + name)]
      .map((letter) => (upper.next().value ? letter.toUpperCase() : letter.toLowerCase()))
      .join(''),
  )

t.test('wherever a location is named, it is the own one', async (t) => {
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom('text', 7, null, true),
      fc.dictionary(names, fc.constantFrom<unknown>(FOREIGN, [FOREIGN, 'x'], { id: FOREIGN }, 12)),
      fc.dictionary(fc.constantFrom('a', 'filters', 'customFields', 'location'), tie('tree')),
      fc.array(tie('tree'), { maxLength: 4 }),
      tie('tree').map((inner) => JSON.stringify({ inner })),
    ),
  }))
  fc.assert(
    fc.property(tree, (value) => {
      assert.ok(!JSON.stringify(withOwnLocation(value, OWN)).includes(FOREIGN))
    }),
    { numRuns: 500 },
  )
  t.pass('500 sets of arguments')
})

t.test('nothing else is touched', async (t) => {
  const given = {
    path_contactId: 'c1',
    body: { meetingLocationId: 'custom_0', address: { location: '12 High Street' }, tags: ['location'] },
    text: '{not JSON',
    list: ['a', 1, null, { relocation: FOREIGN }],
  }
  t.strictSame(withOwnLocation(given, OWN), given)
  t.strictSame(withOwnLocation({ location: FOREIGN }, OWN), { location: OWN }, 'an id, by its form')
  t.strictSame(withOwnLocation({ location: { id: FOREIGN, name: 'x' } }, OWN), {
    location: { id: OWN, name: 'x' },
  })
  t.strictSame(withOwnLocation({ query_altId: FOREIGN, query_altType: 'company' }, OWN), {
    query_altId: OWN,
    query_altType: 'location',
  })
})

t.test('the given arguments stay as they are, and depth has an end', async (t) => {
  const given = Object.freeze({ locationId: FOREIGN })
  t.strictSame(withOwnLocation(given, OWN), { locationId: OWN })
  let deep: unknown = FOREIGN
  for (let depth = 0; depth < 10_000; depth += 1) deep = [deep]
  t.throws(() => withOwnLocation(deep, OWN), { code: 'INVALID_INPUT' })
})
