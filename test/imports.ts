import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The files of the server and what each imports, read from their text. */

export const ROOT = path.resolve(import.meta.dirname, '..')
const FOLDERS = ['plugins', 'routes', 'services', 'schemas']
const TOP = ['server.ts', 'app.ts', 'config.ts']

export interface Import {
  /** A file of ours relative to the root, or the name of a package. */
  target: string
  typeOnly: boolean
}

export const files = [
  ...TOP,
  ...FOLDERS.flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => path.posix.join(folder, file)),
  ),
]
export const sources = new Map(files.map((file) => [file, readFileSync(path.join(ROOT, file), 'utf8')]))

export function importsOf(file: string): Import[] {
  const source = sources.get(file) ?? ''
  const found = source.matchAll(/^(?:import|export)\s+(?:(type\s+)?([\w*{}\s,]+?)\s+from\s+)?'([^']+)'/gm)
  return [...found].map(([, type, names, target]) => ({
    target: target?.startsWith('.') ? path.posix.join(path.posix.dirname(file), target) : (target ?? ''),
    // `import { type A, type B }` is a type import too.
    typeOnly: Boolean(type) || /^\{\s*(type\s+\w+[^,]*,?\s*)+\}$/.test(names ?? ''),
  }))
}

export const isOurs = (target: string) => sources.has(target)
