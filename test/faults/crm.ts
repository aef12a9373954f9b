import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import type { Fault, FaultMatch, SandboxAppointment, SandboxContact } from '../../sandbox/crm/server.ts'
import { type Owner, startProcess } from '../process.ts'

/** A fault as the sandbox's control routes take it: a pattern instead of a RegExp. */
type WireFault = Omit<Fault, 'match'> & {
  match?: Omit<FaultMatch, 'path'> & { path?: string; pathPattern?: string }
}

/** The business's side, as somebody with a browser would see it. */
export interface LocationRecords {
  contacts: SandboxContact[]
  appointments: SandboxAppointment[]
}

/** The CRM sandbox as a process of its own, driven through its control routes. */
export async function startCrm(owner: Owner) {
  const main = fileURLToPath(new URL('../../sandbox/crm/main.ts', import.meta.url))
  const { child } = startProcess(owner, process.execPath, [
    main,
    ...['--port', '0', '--rate-limit', '1000000'],
  ])
  child.stderr?.resume()
  if (!child.stdout) throw new Error('the CRM sandbox has no output')
  const [banner] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const url = /http:\/\/\S+/.exec(banner)?.[0]
  if (!url) throw new Error(`the CRM sandbox did not start: ${banner}`)

  async function control(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown) {
    const answer = await request(`${url}/_sandbox${path}`, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
    const text = await answer.body.text()
    if (answer.statusCode >= 300) throw new Error(`CRM sandbox, ${method} ${path}: ${text}`)
    return text ? JSON.parse(text) : undefined
  }

  return {
    url,
    addLocation: (seed: object) => control('POST', '/locations', seed),
    location: (id: string): Promise<LocationRecords> => control('GET', `/locations/${id}`),
    /** Answers a function that ends it. */
    async fault(fault: WireFault): Promise<() => Promise<void>> {
      const { id } = await control('POST', '/faults', fault)
      // Spent ones are gone already.
      return () => control('DELETE', `/faults/${id}`).catch(() => {})
    },
    clearFaults: () => control('DELETE', '/faults'),
  }
}

export type Crm = Awaited<ReturnType<typeof startCrm>>
