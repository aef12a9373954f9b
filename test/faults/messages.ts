import { randomUUID } from 'node:crypto'
import { Pool } from 'undici'
import type { CallRecord } from './load.ts'
import { type Business, TOKEN } from './world.ts'

/** Single messages, for what is not a whole call. */

export interface Sender {
  send(body: unknown): Promise<number>
  close(): Promise<void>
}

/** Posts to the webhook over connections of its own, straight to one instance or to the balancer. */
export function senderTo(url: string, connections = 32): Sender {
  const pool = new Pool(url, { connections })
  return {
    async send(body) {
      const answer = await pool.request({
        path: '/vapi/webhooks',
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      await answer.body.dump()
      return answer.statusCode
    },
    close: () => pool.destroy(),
  }
}

export const about = (business: Business, id: string, caller: string, type: string, fields: object) => ({
  message: {
    type,
    timestamp: Date.now(),
    call: { id, customer: { number: caller } },
    phoneNumber: { number: business.number },
    customer: { number: caller },
    ...fields,
  },
})

export const reportOf = (business: Business, id: string, caller: string, summary: string) =>
  about(business, id, caller, 'end-of-call-report', {
    endedReason: 'customer-ended-call',
    analysis: { summary },
    artifact: { transcript: 'AI: Hello.\nUser: Hi.' },
  })

export function recordOf(business: Business, caller: string): CallRecord {
  const id = randomUUID()
  return { id, business, caller, heard: true, acknowledged: new Set(), summary: `Summary of ${id}.` }
}

/** A call of which there is only the report. Answers it with what was acknowledged. */
export async function reportOnly(sender: Sender, business: Business, caller: string): Promise<CallRecord> {
  const call = recordOf(business, caller)
  if ((await sender.send(reportOf(business, call.id, caller, call.summary))) === 200)
    call.acknowledged.add('end-of-call-report')
  return call
}

/** Where nobody rang. */
export const NO_RINGS = { known: [], unknown: [], unheard: 0 }
