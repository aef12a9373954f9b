import { createAudit } from '../services/clients/audit-repository.ts'
import type { Database } from '../services/database/pool.ts'
import { createOutboxRepository } from '../services/jobs/outbox-repository.ts'
import { createErasures, type Receipt } from '../services/privacy/erasures.ts'
import { type Context, command, facts, UsageError } from './cli.ts'

/** Copies elsewhere are the work of a running server, which finds it in the outbox. */
function erasuresOf(sql: Database) {
  const outbox = createOutboxRepository({ sql })
  return createErasures({
    sql,
    audit: createAudit({ sql }),
    queue: (data, tx) => outbox.add('erasure', data, 0, tx),
  })
}

const shown = ({ rows, copies, outstanding, ...receipt }: Receipt) =>
  facts({
    ...receipt,
    ...Object.fromEntries(Object.entries(rows).map(([name, count]) => [`rows: ${name}`, count])),
    ...Object.fromEntries(Object.entries(copies).map(([name, count]) => [`copies deleted: ${name}`, count])),
    outstanding:
      outstanding
        .map(({ system, count, failure }) => `${count} × ${system}${failure ? ` (${failure})` : ''}`)
        .join('\n') || 'none',
  })

/** `clientOf`: the id of the client that the first argument names. */
export const eraseCommands = (
  clientOf: (context: Pick<Context, 'database' | 'secrets' | 'argument'>) => Promise<string>,
) => ({
  erase: command({
    summary: 'Erases what is kept of a caller, or of one call',
    usage: '<client> --number <number> | --call <VAPI’s id, or the session’s>',
    help: 'Rows go at once. The note in the CRM, VAPI’s copy and jobs go when a server runs; the receipt says how far it is.',
    options: { number: { type: 'string' }, call: { type: 'string' } },
    arguments: 1,
    async run(context) {
      const { number, call } = context.values
      if ((number === undefined) === (call === undefined))
        throw new UsageError('Either --number or --call says what is to be erased')
      const clientId = await clientOf(context)
      const erasures = erasuresOf(await context.database())
      const { id } = await erasures.request({ clientId, phoneNumber: number, callId: call }, context.operator)
      const receipt = await erasures.receipt(id)
      context.print(receipt, shown(receipt))
    },
  }),

  erasure: command({
    summary: 'Shows the receipt of an erasure',
    usage: '<id of the erasure>',
    options: {},
    arguments: 1,
    async run(context) {
      const receipt = await erasuresOf(await context.database()).receipt(context.argument(0, 'erasure'))
      context.print(receipt, shown(receipt))
    },
  }),
})
