import { randomUUID } from 'node:crypto'
import { NOW } from '../../helper.ts'

type Json = Record<string, unknown>

export interface TestCall {
  id: string
  called: string
  /** Undefined: a withheld number. */
  caller?: string | undefined
}

/** Messages of one call as VAPI sends them, each sent so many seconds after `base`. */
export function messagesOf(call: TestCall, base = NOW) {
  const customer = call.caller ? { number: call.caller } : undefined
  const message = (type: string, seconds: number | undefined, fields: Json = {}) => ({
    message: {
      type,
      ...(seconds !== undefined && { timestamp: base.add({ seconds }).epochMilliseconds }),
      call: { id: call.id, ...(customer && { customer }) },
      phoneNumber: { number: call.called },
      ...(customer && { customer }),
      ...fields,
    },
  })
  return {
    message,
    status: (status: string, seconds?: number, fields: Json = {}) =>
      message('status-update', seconds, { status, ...fields }),
    /** Without fields: a report that says nothing but the reason. */
    report: (seconds?: number, fields: Json = {}) =>
      message('end-of-call-report', seconds, {
        endedReason: 'customer-ended-call',
        artifact: {},
        analysis: {},
        ...fields,
      }),
    transfer: (number: string | undefined, seconds?: number) =>
      message('transfer-update', seconds, number ? { destination: { type: 'number', number } } : {}),
    hang: (seconds?: number) => message('hang', seconds),
  }
}

export const fullReport = (change: Json = {}) => ({
  startedAt: NOW.subtract({ seconds: 90 }).toString(),
  endedAt: NOW.subtract({ seconds: 2 }).toString(),
  cost: 0.0812,
  analysis: {
    summary: 'Booked a visit.',
    structuredData: { reason: 'Leaking tap' },
    successEvaluation: 'true',
  },
  artifact: {
    transcript: 'AI: Hello.\nUser: Hi.',
    recordingUrl: 'https://storage.vapi.ai/x.wav?signature=1',
  },
  ...change,
})

export const newCall = (called: string, caller: string | undefined = '+12505550188'): TestCall => ({
  id: randomUUID(),
  called,
  caller,
})
