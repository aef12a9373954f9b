import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import path from 'node:path'

// Found from where this code lies, which is another folder once all of it is bundled.
const file = findPackageJSON(import.meta.url) ?? 'package.json'
const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string }

/** What is running here, as package.json has it. */
export const RELEASE = { name, version } as const

/** The folder this server lies in, with its migrations. */
export const ROOT = path.dirname(file)
