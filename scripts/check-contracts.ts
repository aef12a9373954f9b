/**
 * `node scripts/check-contracts.ts <directory> <validate.mjs>`: checks what the tests have exchanged with VAPI
 * and the CRM against the vendors' own documents. A warning on our own output counts as a fault.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

interface Verdict {
  ok: boolean
  errors: string[]
  warnings: string[]
}
interface Validator {
  checkVapiResponse(response: unknown, type: string | undefined, request: unknown): Verdict
  checkGhlRequest(request: unknown): Verdict
  checkVapiRequest(request: unknown): Verdict
}
type Entry =
  | { kind: 'vapi'; request: { message?: { type?: string }; type?: string }; response: unknown }
  | { kind: 'ghl' | 'vapi-api'; request: { method: string; path: string } }

const [directory, module] = process.argv.slice(2)
if (!directory || !module) {
  console.error('usage: check-contracts.ts <directory> <validate.mjs>')
  process.exit(2)
}
const validator = (await import(pathToFileURL(path.resolve(module)).href)) as Validator
const REPLIED = new Set(['assistant-request', 'tool-calls', 'transfer-destination-request'])

const seen = new Map<string, number>()
const faults = new Map<string, number>()
for (const file of readdirSync(directory)) {
  for (const line of readFileSync(path.join(directory, file), 'utf8').split('\n').filter(Boolean)) {
    const entry = JSON.parse(line) as Entry
    const { name, verdict } = judge(entry)
    seen.set(name, (seen.get(name) ?? 0) + 1)
    for (const fault of [...(verdict?.errors ?? []), ...(verdict?.warnings ?? [])]) {
      const key = `${name}: ${fault}`
      faults.set(key, (faults.get(key) ?? 0) + 1)
    }
  }
}

for (const [name, count] of [...seen].sort()) console.log(`${String(count).padStart(7)}  ${name}`)
for (const [fault, count] of faults) console.error(`FAULT ${count} times  ${fault}`)
const checked = [...seen.values()].reduce((sum, count) => sum + count, 0)
console.log(`${checked} exchanges, ${faults.size} kinds of fault`)
process.exitCode =
  faults.size === 0 && seen.has('vapi assistant-request') && seen.has('vapi tool-calls') ? 0 : 1

function judge(entry: Entry): { name: string; verdict: Verdict | undefined } {
  if (entry.kind !== 'vapi') {
    const { method, path: address } = entry.request
    const name = `${entry.kind} ${method} ${(address.split('?')[0] ?? '').replace(/\/[A-Za-z0-9-]{18,}(?=\/|$)/g, '/:id')}`
    const verdict = entry.kind === 'ghl' ? validator.checkGhlRequest : validator.checkVapiRequest
    return { name, verdict: verdict(entry.request) }
  }
  // A body may have come as text, from a test of bodies.
  const request = typeof entry.request === 'string' ? JSON.parse(entry.request) : entry.request
  const type = request?.message?.type ?? request?.type
  const known = REPLIED.has(type)
  return {
    name: known ? `vapi ${type}` : 'vapi, no reply wanted',
    verdict: known
      ? validator.checkVapiResponse(entry.response, type, { message: request.message ?? request })
      : undefined,
  }
}
