import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { checkLocationSeeds } from './seeds.ts'
import { startCrmSandbox } from './server.ts'

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '4010' },
    /** A JSON file with a list of locations. */
    seed: { type: 'string' },
    /** Requests per location in 10 s, when the published limit is in the way. */
    'rate-limit': { type: 'string' },
  },
})

const locations =
  values.seed === undefined ? [] : checkLocationSeeds(JSON.parse(await readFile(values.seed, 'utf8')))
const rate = values['rate-limit']

const sandbox = await startCrmSandbox({
  host: values.host,
  port: Number(values.port),
  locations,
  log: (line) => console.log(line),
  ...(rate === undefined ? {} : { rateLimit: { max: Number(rate), perMs: 10_000 } }),
})

closeWithGrace({ delay: 5000 }, async ({ err }) => {
  if (err) console.error(err)
  await sandbox.close()
})
