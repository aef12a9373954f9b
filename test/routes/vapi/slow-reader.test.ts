import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { request } from 'undici'
import { build, TOKEN } from '../../helper.ts'

/** An answer's memory is used again. Whoever reads slowly must get what was written for them. */

const RINGS = 1_500

t.test('answers that wait for a slow reader stay as they are, whoever is answered meanwhile', async (t) => {
  const { app, addClient } = await build(t)
  const slow = await addClient({ client_name: 'Slow Plumbing' })
  const quick = await addClient({ client_name: 'Quick Salon' })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const bodyOf = (number: string, callId: string) =>
    JSON.stringify({
      message: { type: 'assistant-request', phoneNumber: { number }, call: { id: callId } },
    })
  const ring = async (number: string, callId: string) => {
    const answer = await request(`${url}/vapi/webhooks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: bodyOf(number, callId),
    })
    return answer.body.text()
  }
  // From the second call on a client's answer comes from its template.
  for (const { number } of [slow, quick]) for (const callId of ['first', 'second']) await ring(number, callId)

  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  socket.pause()
  for (let n = 0; n < RINGS; n += 1) {
    const body = bodyOf(slow.number, `slow-${n}`)
    const head = [
      'POST /vapi/webhooks HTTP/1.1',
      'host: localhost',
      `authorization: Bearer ${TOKEN}`,
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  }
  const others: string[] = []
  for (let round = 0; round < 20; round += 1)
    others.push(...(await Promise.all(Array.from({ length: 20 }, () => ring(quick.number, 'quick')))))
  t.ok(
    others.every((text) => text.includes('Quick Salon') && !text.includes('Slow Plumbing')),
    'those who read at once',
  )

  let count = 0
  let received = Buffer.alloc(0)
  const late = AbortSignal.timeout(20_000)
  late.addEventListener('abort', () => socket.destroy())
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk])
    for (let body = takeBody(); body !== undefined; body = takeBody()) {
      if (JSON.parse(body).assistant.metadata.clientId !== slow.id || body.includes('Quick Salon'))
        t.fail(`answer ${count} is another client's`)
      count += 1
    }
    if (count === RINGS) break
  }
  t.equal(count, RINGS)

  /** The next answer, once all of it is there. */
  function takeBody(): string | undefined {
    const head = received.indexOf('\r\n\r\n')
    const length = Number(/content-length: (\d+)/i.exec(received.toString('latin1', 0, head))?.[1])
    const end = head + 4 + length
    if (head < 0 || received.length < end) return undefined
    const body = received.toString('utf8', head + 4, end)
    received = received.subarray(end)
    return body
  }
})
