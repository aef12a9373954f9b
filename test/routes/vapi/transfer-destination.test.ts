import t from 'tap'
import { build } from '../../helper.ts'

const request = (number: string) => ({
  message: { type: 'transfer-destination-request', call: { id: 'call-1' }, phoneNumber: { number } },
})

t.test('a transfer goes to the client’s own people', async (t) => {
  const { addClient, webhook } = await build(t)
  const client = await addClient({ settings: { transfer_number: '+14155550100', language: 'de' } })
  const answer = await webhook(request(client.number))
  t.equal(answer.statusCode, 200)
  t.strictSame(answer.json(), {
    destination: { type: 'number', number: '+14155550100', message: 'Ich verbinde Sie.' },
  })
})

t.test('without people to transfer to, a sentence says so', async (t) => {
  const { addClient, webhook } = await build(t)
  const alone = await addClient()
  const loop = await addClient({
    twilio_number: '+17785559999',
    settings: { transfer_number: '+17785559999' },
  })
  for (const number of [alone.number, loop.number, '+15005550009']) {
    const answer = await webhook(request(number))
    t.equal(answer.statusCode, 200)
    t.strictSame(answer.json(), { error: 'Nobody can take the call right now. May I take a message?' })
  }
})

t.test('the assistant can end the call, and hand it on where there is somebody', async (t) => {
  const { addClient, webhook } = await build(t)
  const toolsOf = async (number: string) => {
    const answer = await webhook({ message: { type: 'assistant-request', phoneNumber: { number } } })
    const { assistant } = answer.json() as { assistant: { model: { tools: { type: string }[] } } }
    return assistant.model.tools.filter(({ type }) => type !== 'function')
  }
  const alone = await addClient()
  t.strictSame(await toolsOf(alone.number), [{ type: 'endCall' }])
  const client = await addClient({ settings: { transfer_number: '+14155550100' } })
  t.strictSame(await toolsOf(client.number), [
    {
      type: 'transferCall',
      destinations: [{ type: 'number', number: '+14155550100', message: 'I am connecting you now.' }],
    },
    { type: 'endCall' },
  ])
  const asking = await addClient({ settings: { mcp_tools: { upstream: true } } })
  t.match(
    await toolsOf(asking.number),
    [
      { type: 'endCall' },
      {
        type: 'mcp',
        server: { url: 'https://agent.example.com/mcp', headers: { 'x-phone-number': asking.number } },
      },
    ].reverse(),
  )
})
