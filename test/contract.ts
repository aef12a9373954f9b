import { appendFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'

/**
 * With CONTRACT_DIR set, webhooks with their answers and requests to the CRM are kept there, for a check against
 * the vendors' own documents.
 */
export function keepForContract(entry: unknown) {
  const directory = process.env.CONTRACT_DIR
  if (!directory) return
  mkdirSync(directory, { recursive: true })
  appendFileSync(path.join(directory, `${process.pid}.jsonl`), `${JSON.stringify(entry)}\n`)
}

/** A webhook and its answer. */
export function keepWebhook(request: unknown, status: number, response: unknown) {
  if (status === 200) keepForContract({ kind: 'vapi', request, response })
}
