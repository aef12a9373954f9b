/**
 * `npm run build`: the server and the commands of operators as a few files in `dist/`, packages and all. What starts
 * from there loads some files instead of two thousand: in half the time, and with a third less memory.
 */
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { ROOT } from '../services/release.ts'

const { values } = parseArgs({ options: { out: { type: 'string', default: path.join(ROOT, 'dist') } } })

const PROGRAMS = {
  server: 'server.ts',
  // All of the server, without starting it: to have it compiled when an image is built.
  app: 'app.ts',
  clients: 'scripts/clients.ts',
  jobs: 'scripts/jobs.ts',
  calls: 'scripts/calls.ts',
  migrate: 'scripts/migrate.ts',
}

await rm(values.out, { recursive: true, force: true })
await build({
  absWorkingDir: ROOT,
  entryPoints: PROGRAMS,
  outdir: values.out,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node26',
  // What a package would use if it were there, and which is here for development only.
  external: ['supports-color'],
  // For packages that are CommonJS.
  banner: {
    js: `import { createRequire as requireFrom } from 'node:module'
const require = requireFrom(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname`,
  },
  logLevel: 'warning',
})
