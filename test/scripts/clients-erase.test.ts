import t from 'tap'
import { build, ENCRYPTION_KEY } from '../helper.ts'
import { finished, newCaller, notesAt, tablesWith, wholeCall } from '../services/privacy/kit.ts'
import { run } from './program.ts'

t.setTimeout(120_000)

t.test('a caller is erased from the command line, and a running server does the rest', async (t) => {
  const h = await build(t)
  const client = await h.addClient()
  const caller = newCaller()
  const call = await wholeCall(h, client, caller)
  const cli = (...args: string[]) =>
    run('clients.ts', args, { env: { DATABASE_URL: h.app.database.url, ENCRYPTION_KEY } })

  t.match(await cli('erase', client.number), { code: 2, stderr: /--number or --call/ })
  t.match(await cli('erase', client.number, '--call', 'unknown'), { code: 1, stderr: /no such call/ })
  const erased = await cli('erase', client.number, '--number', caller, '--json')
  t.equal(erased.code, 0, erased.stderr)
  const { id } = JSON.parse(erased.stdout)
  await finished(h, id)
  t.strictSame([await tablesWith(h, call.id), notesAt(h, client), h.vapi.calls], [[], [], []])
  const receipt = await cli('erasure', id)
  t.match(receipt, { code: 0, stdout: /done[\s\S]*copies deleted: vapi/ })
  t.notMatch(receipt.stdout, caller.slice(2))
})
