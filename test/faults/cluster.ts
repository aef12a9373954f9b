import { rm } from 'node:fs/promises'
import postgres from 'postgres'
import { startEmbeddedPostgres } from '../../services/database/embedded.ts'
import type { Owner } from '../process.ts'

let count = 0

/** A PostgreSQL of our own that can be stopped and started again; it takes another port each time. */
export interface Cluster {
  /** Of a new, empty database on it; the port is that of the moment. */
  createDatabase(): Promise<string>
  /** The address that a database has now. */
  addressOf(databaseUrl: string): string
  stop(): Promise<void>
  start(): Promise<void>
}

export async function startCluster(owner: Owner): Promise<Cluster> {
  const directory = `.data/faults/${process.pid}-${++count}`
  // Not `volatile`: what was acknowledged must survive a restart because it was written, not by luck.
  const start = () => startEmbeddedPostgres({ directory })
  let server = await start()
  owner.teardown(async () => {
    await server.stop()
    for (const path of [directory, `${directory}.password`]) await rm(path, { recursive: true, force: true })
  })
  let databases = 0
  return {
    async createDatabase() {
      const admin = postgres(server.url, { max: 1, onnotice: () => {} })
      const name = `faults_${++databases}`
      await admin`create database ${admin(name)}`
      await admin.end()
      const url = new URL(server.url)
      url.pathname = `/${name}`
      return url.href
    },
    addressOf(databaseUrl) {
      const url = new URL(databaseUrl)
      url.port = new URL(server.url).port
      return url.href
    },
    stop: () => server.stop(),
    async start() {
      server = await start()
    },
  }
}
