import type { Test } from 'tap'
import { asOwner, build, type Harness, NOW } from '../../helper.ts'

export const NUMBER_ID = '8bac8f61-ca90-4b1c-a480-5872e906b63a'
export const signal = () => new AbortController().signal
export const ago = (minutes: number) => NOW.subtract({ minutes }).toString({ smallestUnit: 'millisecond' })

let calls = 0

/** A call of which nobody told, as VAPI's API has it. */
export function lostCall(change: Record<string, unknown> = {}) {
  calls += 1
  return {
    id: `lost-${calls}`,
    type: 'inboundPhoneCall',
    status: 'ended',
    phoneNumberId: NUMBER_ID,
    customer: { number: '+12505550188' },
    createdAt: ago(12),
    startedAt: ago(12),
    endedAt: ago(10),
    updatedAt: ago(9),
    endedReason: 'customer-ended-call',
    cost: 0.08,
    analysis: { summary: 'Wants a quote.' },
    artifact: { transcript: 'AI: Hello.', recordingUrl: 'https://storage.vapi.ai/x.wav' },
    ...change,
  }
}

/** A server that has looked at everything up to `minutes` ago, with one client whose number VAPI knows. */
export async function bench(t: Test, minutes = 30) {
  const harness = await build(t)
  const client = await harness.addClient()
  harness.vapi.addNumber({ id: NUMBER_ID, provider: 'vapi', number: client.number })
  await rewind(harness, minutes)
  const found = () => harness.app.reconciler.run(signal())
  return { ...harness, client, found }
}

export async function rewind({ app }: Pick<Harness, 'app'>, minutes: number) {
  await asOwner(app)`
    update reconciler set checked_until = ${ago(minutes)}, due_at = now(), owner = null, leased_until = null`
}

export const sessionOf = async ({ app }: Pick<Harness, 'app'>, callId: string) => {
  const rows = await asOwner(app)`
    select caller, status, summary, ended_reason, duration_seconds, reported_at is not null as reported
    from voice_sessions where vapi_call_id = ${callId}`
  return rows[0]
}

export const lists = ({ vapi }: Pick<Harness, 'vapi'>) =>
  vapi.exchanges.filter(({ request }) => request.path === '/call')
