import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { audit } from '../audit.ts'
import { during, type Load } from '../load.ts'
import { expecting, type Scenario } from '../scenario.ts'
import { until } from '../scope.ts'
import { openWorld, TOKEN, type World } from '../world.ts'

/** Fly's and Docker's patience after SIGTERM. */
const KILL_TIMEOUT_SECONDS = 60
/** A job of a killed worker is noticed by its heartbeat, and the call it held is free again when its lease ends. */
const AFTER_KILL_SECONDS = 180

/** Replaces an instance: the new one is ready before the old one is told to go. */
async function replace(world: World): Promise<boolean> {
  const [old] = world.instances
  await world.startInstance()
  const end = old && (await world.stop(old, KILL_TIMEOUT_SECONDS))
  return end?.[0] === 0
}

const NUMBER_OF_STREAMS = 10

/** How an MCP client asks, in the revision without sessions, to be told of changes for as long as it listens. */
const LISTEN = {
  jsonrpc: '2.0',
  id: 1,
  method: 'subscriptions/listen',
  params: {
    notifications: { toolsListChanged: true },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'faults', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
}

/** Opens streams that would stay open for hours. Answers how many are. */
async function openStreams(world: World, url: string): Promise<number> {
  let opened = 0
  for (let n = 0; n < NUMBER_OF_STREAMS; n++) {
    const answer = await request(`${url}/mcp`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${TOKEN}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'x-phone-number': world.businesses[0]?.number ?? '',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': LISTEN.method,
      },
      body: JSON.stringify(LISTEN),
    })
    const isStream = String(answer.headers['content-type']).startsWith('text/event-stream')
    if (answer.statusCode === 200 && isStream) opened += 1
    // Ended by the server, sooner or later.
    answer.body.on('error', () => {}).resume()
  }
  return opened
}

export const instanceScenarios: Scenario[] = [
  {
    name: 'kill-instance',
    title: 'one of two instances is killed (SIGKILL) in the middle of calls, three times',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster })
      try {
        const load = await during(
          world,
          0,
          async () => {
            for (let round = 0; round < 3; round++) {
              await pause(randomInt(1_500, 3_000))
              const victim = world.instances[round % 2]
              if (victim) await world.kill(victim)
              await world.startInstance()
            }
            await pause(1_000)
          },
          { bookEvery: 2 },
        )
        calm()
        // Whoever was being answered by the instance at that very moment cannot be.
        const unheardAllowed = world.balancer.broken
        return {
          ...(await audit(world, load, { patience: AFTER_KILL_SECONDS, unheardAllowed })),
          remark: `${unheardAllowed} requests died with them`,
        }
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'kill-worker',
    title: 'instances are killed between the request to the CRM and the mark that it was done, six times',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster })
      try {
        // Carried out after half a second, whether or not somebody still waits for the answer.
        const end = await world.crm.fault({
          match: { method: 'POST', pathPattern: '^/(contacts/upsert|contacts/[^/]+/notes|calendars/.*)$' },
          kind: { type: 'delay', ms: 500 },
        })
        const load = await during(
          world,
          0,
          async () => {
            for (let round = 0; round < 6; round++) {
              await pause(randomInt(700, 1_500))
              const victim = world.instances[randomInt(world.instances.length)]
              if (victim) await world.kill(victim)
              await world.startInstance()
            }
          },
          { bookEvery: 3, perSecond: 6 },
        )
        await end()
        calm()
        const unheardAllowed = world.balancer.broken
        return {
          ...(await audit(world, load, { patience: AFTER_KILL_SECONDS, unheardAllowed })),
          remark: `${unheardAllowed} requests died with them`,
        }
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'sigterm',
    title: `one of two instances is told to end (SIGTERM) under load, with ${NUMBER_OF_STREAMS} streams open`,
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster })
      try {
        let end: unknown[] | undefined
        let seconds = 0
        const streams = await openStreams(world, world.instances[0]?.url ?? '')
        const load = await during(world, 8, async () => {
          await pause(2_000)
          const [old] = world.instances
          if (!old) return
          const begun = performance.now()
          end = await world.stop(old, KILL_TIMEOUT_SECONDS)
          seconds = Math.round((performance.now() - begun) / 100) / 10
        })
        calm()
        const findings = await audit(world, load)
        return {
          ...expecting(findings, {
            [`it ended by itself within ${KILL_TIMEOUT_SECONDS} s`]: end !== undefined,
            [`its exit code is 0, and not ${end?.[0]}`]: end?.[0] === 0,
            'the streams were open': streams === NUMBER_OF_STREAMS,
          }),
          remark: `${streams} streams, ended after ${seconds} s`,
        }
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'rolling',
    title: 'both instances are replaced under load, one after the other',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster })
      try {
        const ends: boolean[] = []
        const load = await during(world, 0, async () => {
          for (let n = 0; n < 2; n++) {
            await pause(1_500)
            ends.push(await replace(world))
          }
          await pause(1_500)
        })
        calm()
        return expecting(await audit(world, load), { 'each old one ended with 0': ends.every(Boolean) })
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'ten-at-once',
    title: 'ten instances start at once on an empty database, and end at once',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster, instances: 0, businesses: 0 })
      try {
        const started = await Promise.allSettled(Array.from({ length: 10 }, () => world.startInstance()))
        const refused = started.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []))
        const versions = await world.sql<{ version: string; times: number }[]>`
          select version, count(*)::int as times from schema_version group by version`
        await world.addBusinesses(2)
        await world.warmUp()
        const load: Load = await during(world, 3, async () => {}, { paceMs: 100 })
        const findings = await audit(world, load)
        const ends = await Promise.all(
          [...world.instances].map((one) => world.stop(one, KILL_TIMEOUT_SECONDS)),
        )
        calm()
        return expecting(findings, {
          [`all ten are ready${refused.map((reason) => `: ${reason}`).join('')}`]: refused.length === 0,
          'each migration ran once': versions.length > 0 && versions.every(({ times }) => times === 1),
          'all ended with 0': ends.every((end) => end?.[0] === 0),
        })
      } finally {
        await world.close()
      }
    },
  },
  {
    name: 'second-signal',
    title: 'a second SIGTERM ends an instance at once, whatever it waits for',
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster, instances: 2 })
      try {
        // Its jobs would take longer than anybody's patience.
        const endFault = await world.crm.fault({ kind: { type: 'hang' } })
        const load = await during(world, 3, async () => {}, { bookEvery: 0 })
        const [old] = world.instances
        let hanging = false
        let seconds = Number.POSITIVE_INFINITY
        if (old) {
          old.child.kill('SIGTERM')
          hanging = !(await old.gone(0.3))
          const begun = performance.now()
          old.child.kill('SIGTERM')
          if (await until(() => old.gone(0), 10)) seconds = (performance.now() - begun) / 1_000
          await world.kill(old)
        }
        await endFault()
        calm()
        return expecting(await audit(world, load, { patience: AFTER_KILL_SECONDS }), {
          'it had something to wait for': hanging,
          'it ended within a second': seconds < 1,
        })
      } finally {
        await world.close()
      }
    },
  },
]
