import { createRequire } from 'node:module'

const { name, version } = createRequire(import.meta.url)('../package.json') as {
  name: string
  version: string
}

/** What is running here, as package.json has it. */
export const RELEASE = { name, version } as const
