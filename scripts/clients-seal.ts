import { createAudit } from '../services/clients/audit-repository.ts'
import { createSealing, type SealProgress } from '../services/clients/sealing.ts'
import { createSealingRepository } from '../services/clients/sealing-repository.ts'
import { command, Failure, table } from './cli.ts'

/** Seals the stored credentials with the first of the keys. */
export const seal = command({
  summary: 'Seals stored credentials with the first key of ENCRYPTION_KEY',
  usage: '',
  help: `What is plain is sealed, and what is under another key is sealed anew, while servers go on. It can be ended
and begun again at any time. To change the key: put the new one behind the old and restart every server, then
before it and restart, run this, then take the old one away.`,
  options: {},
  arguments: 0,
  async run({ config, database, secrets, operator, signal, print, note }) {
    if (config.encryptionKeys.length === 0)
      throw new Failure('ENCRYPTION_KEY is not set: there is nothing to seal with.')
    const sql = await database()
    const sealing = createSealing({
      secrets,
      repository: createSealingRepository({ sql: sql.forAllClients }),
    })
    const done: Record<string, number> = {}
    let noted = performance.now()
    const onProgress = ({ column, sealed }: SealProgress) => {
      done[column] = sealed
      if (performance.now() - noted < 1_000) return
      noted = performance.now()
      note(`${column}: ${sealed} sealed`)
    }
    const report = await sealing.sealAll({ signal, onProgress }).finally(async () => {
      if (Object.values(done).some((count) => count > 0))
        await createAudit({ sql }).write({ operator, operation: 'clients.seal', details: done })
    })
    const rows = report.columns.map((column) => [column.column, column.sealed, column.unreadable])
    const remarks = [
      ...report.unreadable.map(({ column, id, code }) => `${column} of ${id} does not open: ${code}`),
      report.keysInUse.length === 0
        ? 'Everything is under the first key: the others may be taken from ENCRYPTION_KEY.'
        : `Still in use besides the first key: ${report.keysInUse.join(', ')}.`,
    ]
    print(report, [table(['column', 'sealed now', 'do not open'], rows), ...remarks].join('\n'))
    return report.keysInUse.length === 0
  },
})
