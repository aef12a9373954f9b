import { createHash } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import { cutText, singleLine } from '../text.ts'
import { UpstreamError } from '../upstream.ts'
import { callerInput, contactIdOf } from './caller.ts'
import { defineTool, type ToolContext } from './define.ts'

/** A task's title in the CRM's lists. */
const TITLE_MAX = 80
/** When somebody should have called back. */
const DUE = { hours: 24 }
const DUE_URGENT = { hours: 1 }

export const takeMessage = defineTool({
  name: 'take_message',
  description:
    'Leaves a message for the people of the business, who will call back. Use it when you cannot help, or when the ' +
    'caller wants to speak to somebody. Ask what it is about and when a call back suits.',
  input: Type.Object({
    message: Type.String({
      minLength: 1,
      maxLength: 2_000,
      description: 'What the caller wants, in full sentences',
    }),
    callback_time: Type.Optional(
      Type.String({ maxLength: 200, description: 'When to call back, as the caller said it' }),
    ),
    urgent: Type.Optional(Type.Boolean({ description: 'Whether it cannot wait until tomorrow' })),
    ...callerInput,
  }),
  output: Type.Object({ success: Type.Literal(true), taskId: Type.String(), contactId: Type.String() }),
  actsOnContact: true,

  async run(context, input) {
    const { caller, clock } = context
    const contactId = await contactIdOf(context, input)
    const mark = markOf(context, input.message)
    const body = [
      input.message,
      input.name && `From: ${input.name}`,
      `Call back: ${caller.number ?? input.phone ?? input.email ?? 'see the contact'}`,
      input.callback_time && `When: ${input.callback_time}`,
      mark,
    ]
      .filter(Boolean)
      .join('\n')
    const title = cutText(
      singleLine(`${input.urgent ? 'Urgent: ' : ''}Message by phone: ${input.message}`),
      TITLE_MAX,
    )
    const task = { title, body, due: clock().add(input.urgent ? DUE_URGENT : DUE) }
    return { success: true as const, taskId: await addOnce(context, contactId, task, mark), contactId }
  },

  say: () => 'The message has been taken down. Tell the caller that somebody will call back.',

  contactOf: ({ contactId }) => contactId,
})

/** By which the task is recognised, should the answer to writing it be lost. */
function markOf({ call, clock }: ToolContext, message: string): string {
  const reference =
    call?.id ?? createHash('sha256').update(`${message} ${clock()}`).digest('base64url').slice(0, 12)
  return `Reference: ${reference}${call ? ` ${call.toolCallId}` : ''}`
}

async function addOnce(
  { ghl }: ToolContext,
  contactId: string,
  task: { title: string; body: string; due: Temporal.Instant },
  mark: string,
) {
  try {
    return await ghl.tasks.add(contactId, task)
  } catch (error) {
    if (!(error instanceof UpstreamError && error.outcome === 'unknown')) throw error
    return (await ghl.tasks.find(contactId, mark)) ?? (await ghl.tasks.add(contactId, task))
  }
}
