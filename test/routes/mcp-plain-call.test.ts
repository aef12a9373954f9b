import t from 'tap'
import type { Behaviour } from '../../sandbox/ghl-mcp.ts'
import { plainAnswer, plainCallIn } from '../../services/mcp/plain-call.ts'
import { buildMcp, headersFor, toolNames } from '../mcp.ts'

const HEADERS = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' }
const CALL = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'a', arguments: { b: 1 } } }

t.test('what is a plain call', async (t) => {
  const plain = { id: 1, name: 'a', args: { b: 1 } }
  t.strictSame(plainCallIn(HEADERS, CALL), plain)
  t.strictSame(plainCallIn({ ...HEADERS, 'mcp-protocol-version': '2025-06-18' }, CALL), plain)
  t.strictSame(plainCallIn({ ...HEADERS, 'content-type': 'application/json; charset=utf-8' }, CALL), plain)
  t.strictSame(plainCallIn(HEADERS, { ...CALL, id: 'x', params: { name: 'a' } }), {
    id: 'x',
    name: 'a',
    args: {},
  })

  const heads = [
    { ...HEADERS, accept: 'application/json' },
    { ...HEADERS, accept: undefined },
    { ...HEADERS, 'content-type': 'application/jsonp' },
    { ...HEADERS, 'mcp-protocol-version': '2026-07-28' },
    { ...HEADERS, 'mcp-protocol-version': '1999-01-01' },
  ]
  for (const headers of heads) t.equal(plainCallIn(headers, CALL), undefined, JSON.stringify(headers))
  const bodies = [
    undefined,
    [CALL],
    { ...CALL, jsonrpc: '1.0' },
    { ...CALL, method: 'tools/list' },
    { ...CALL, id: null },
    { ...CALL, id: 1.5 },
    { jsonrpc: '2.0', method: 'tools/call', params: CALL.params },
    { ...CALL, more: 1 },
    { ...CALL, params: undefined },
    { ...CALL, params: { ...CALL.params, _meta: { progressToken: 1 } } },
    { ...CALL, params: { ...CALL.params, task: {} } },
    { ...CALL, params: { name: 7 } },
    { ...CALL, params: { name: 'a', arguments: null } },
    { ...CALL, params: { name: 'a', arguments: [] } },
  ]
  for (const body of bodies) t.equal(plainCallIn(HEADERS, body), undefined, JSON.stringify(body))
})

t.test('what is no plain answer', async (t) => {
  const results = [
    { content: [{ type: 'image', data: 'AA==', mimeType: 'image/png' }] },
    { content: [{ type: 'text', text: 7 }] },
    { content: [{ type: 'text', text: 'a', annotations: {} }] },
    { content: 'text' },
    { content: [], structuredContent: [1] },
    { content: [], isError: 'yes' },
    { content: [], _meta: {} },
    { content: [], resultType: 'input_required' },
  ]
  for (const result of results) t.equal(plainAnswer(1, result as never), undefined, JSON.stringify(result))
})

t.test('a plain call is answered as the SDK would, byte for byte', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const client = await addClient()
  await toolNames(app, client)
  const send = async (params: object, id: string | number) => {
    const { statusCode, headers, payload } = await app.inject({
      method: 'POST',
      url: '/mcp',
      headers: headersFor(client),
      payload: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }),
    })
    const { date: _date, 'content-length': length, 'transfer-encoding': _chunked, ...rest } = headers
    return { answer: { statusCode, headers: rest, payload }, inOnePiece: length !== undefined }
  }
  const text = { type: 'text' as const, text: 'Zoë 😀 \ud800 \u2028\n"' }
  const read = { name: 'contacts_get-contact', arguments: { path_contactId: 'c1' } }
  let nested: object = {}
  for (let depth = 0; depth < 40; depth += 1) nested = { nested }
  const results: NonNullable<Behaviour['result']>[] = [
    { content: [text] },
    { isError: true, content: [text, text] },
    { structuredContent: { b: 1, a: [null] }, content: [] },
    // From here on the SDK answers both.
    { content: [{ type: 'image', data: 'AA==', mimeType: 'image/png' }] },
    { content: [text], _meta: { a: 1 } },
  ]
  const cases: [object, Behaviour, boolean][] = [
    ...results.map((result, n): [object, Behaviour, boolean] => [read, { result }, n < 3]),
    [read, { status: 502 }, true],
    [{ name: 'check_availability' }, {}, true],
    [{ name: 'check_availability', arguments: { date: 'one day' } }, {}, true],
    [{ name: 'no_such-tool', arguments: {} }, {}, false],
    [{ name: 'contacts_get-contact', arguments: nested }, {}, false],
  ]
  for (const [params, behaviour, plain] of cases) {
    upstream.behave(behaviour)
    const said = JSON.stringify([params, behaviour]).slice(0, 120)
    const before = upstream.requests.length
    const ours = await send(params, 'id-1')
    const requests = upstream.requests.length - before
    // Who says more than a plain call does is served by the SDK.
    const theirs = await send({ ...params, _meta: {} }, 'id-1')
    t.strictSame(ours.answer, theirs.answer, said)
    t.equal(ours.inOnePiece, plain, `${plain ? 'without' : 'by'} the SDK`)
    t.equal(upstream.requests.length - before, 2 * requests, 'it is called as often')
  }
})
