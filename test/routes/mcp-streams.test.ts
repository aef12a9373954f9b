import t from 'tap'
import { eventually } from '../helper.ts'
import { addressOf, buildMcp, headersFor, stateless, toolNames } from '../mcp.ts'

const payload = (result: { content: { text: string }[] }) => JSON.parse(result.content[0]?.text ?? '{}')

t.test('whatever form its events have, they are understood and passed on as they come', async (t) => {
  const { app, addClient, upstream } = await buildMcp(t)
  const client = await addClient()
  await toolNames(app, client)
  const url = `${await addressOf(app)}/mcp`
  const arguments_ = { path_contactId: 'Zoë 😀' }
  for (const lineEnding of ['\n', '\r\n', '\r'] as const) {
    upstream.behave({ oneByte: true, untidy: true, lineEnding, progress: 3 })
    const plain = {
      jsonrpc: '2.0',
      id: 'a',
      method: 'tools/call',
      params: { name: 'contacts_get-contact', arguments: arguments_, _meta: { progressToken: 'mine' } },
    }
    const modern = stateless('tools/call', {
      name: 'contacts_get-contact',
      arguments: arguments_,
      _meta: { progressToken: 'mine' },
    })
    for (const { headers, message } of [{ headers: {}, message: plain }, modern]) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headersFor(client), ...headers },
        body: JSON.stringify(message),
      })
      const events = (await response.text()).split('\n').filter((line) => line.startsWith('data: '))
      const messages = events.map((line) => JSON.parse(line.slice(6)))
      t.match(
        messages.slice(0, -1),
        [1, 2, 3].map((progress) => ({
          method: 'notifications/progress',
          params: { progressToken: 'mine', progress, total: 3, message: `step ${progress}` },
        })),
        JSON.stringify(lineEnding),
      )
      t.match(payload(messages.at(-1).result).data.given, arguments_)
    }
  }
})

t.test('progress arrives while the call is under way, and a caller who hangs up ends it', async (t) => {
  const { app, addClient, upstream, logs } = await buildMcp(t)
  const client = await addClient()
  await toolNames(app, client)
  const url = `${await addressOf(app)}/mcp`
  upstream.behave({ hang: true, progress: 1 })
  const params = {
    name: 'contacts_add-tags',
    arguments: { path_contactId: 'c1' },
    _meta: { progressToken: 1 },
  }
  const plain = { headers: {}, message: { jsonrpc: '2.0', id: 1, method: 'tools/call', params } }
  for (const { headers, message } of [plain, stateless('tools/call', params)]) {
    const leaving = new AbortController()
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headersFor(client), ...headers },
      body: JSON.stringify(message),
      signal: leaving.signal,
    })
    const reader = response.body?.getReader()
    t.match(Buffer.from((await reader?.read())?.value ?? []).toString(), /"step 1"/)
    const asked = upstream.requests.at(-1)
    t.notOk(asked?.aborted)
    leaving.abort()
    await eventually(() => asked?.aborted, 'the end of the upstream request')
  }
  const lines = () => logs.filter((line) => line.msg === 'request' && line.operation === 'mcp.tools/call')
  await eventually(() => lines().length >= 2, 'the lines of the log')
  t.match(lines(), [{ status: 499 }, { status: 499 }])
  t.equal(lines().length, 2)
  t.equal(logs.filter(({ level }) => Number(level) >= 40).length, 0, 'nothing went wrong')
})

t.test('a caller who hangs up before anything was said ends it too', async (t) => {
  const { app, addClient, upstream, logs } = await buildMcp(t)
  const client = await addClient()
  await toolNames(app, client)
  const url = `${await addressOf(app)}/mcp`
  upstream.behave({ hang: true })
  const params = { name: 'contacts_add-tags', arguments: { path_contactId: 'c1' } }
  const plain = { headers: {}, message: { jsonrpc: '2.0', id: 1, method: 'tools/call', params } }
  for (const { headers, message } of [plain, stateless('tools/call', params)]) {
    const before = upstream.requests.length
    const leaving = new AbortController()
    const call = fetch(url, {
      method: 'POST',
      headers: { ...headersFor(client), ...headers },
      body: JSON.stringify(message),
      signal: leaving.signal,
    }).then((response) => response.text())
    const asked = await eventually(() => upstream.requests[before], 'the upstream request')
    leaving.abort()
    await t.rejects(call)
    await eventually(() => asked.aborted, 'its end')
  }
  const lines = () => logs.filter((line) => line.msg === 'request' && line.operation === 'mcp.tools/call')
  await eventually(() => lines().length >= 2, 'the lines of the log')
  t.match(lines(), [{ status: 499 }, { status: 499 }])
  t.equal(lines().length, 2)
  t.equal(logs.filter(({ level }) => Number(level) >= 40).length, 0, 'nothing went wrong')
})
