import { firstText, record, text } from '../json.ts'
import type { VapiCall } from './api.ts'
import { type CallMessage, readMessage } from './messages.ts'

/**
 * The end-of-call-report of a call as VAPI would have sent it, made of what its API says about the call. The number
 * that was dialled often stands there by its id only; `numbers` has them by id.
 */
export function reportOf(call: VapiCall, numbers: ReadonlyMap<string, string>): CallMessage {
  // An imported number names itself by another word than all others.
  const { number, twilioPhoneNumber } = record(call.phoneNumber)
  const dialled = firstText(number, twilioPhoneNumber) ?? numbers.get(text(call.phoneNumberId) ?? '')
  const { id, assistant, customer, endedReason, startedAt, endedAt, cost, artifact, analysis, destination } =
    call
  return readMessage({
    message: {
      type: 'end-of-call-report',
      timestamp: endedAt ?? call.updatedAt,
      call: { id, assistant },
      phoneNumber: { number: dialled },
      ...{ customer, endedReason, startedAt, endedAt, cost, artifact, analysis, destination },
    },
  })
}

export type ReportOf = typeof reportOf
