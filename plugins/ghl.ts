import fp from 'fastify-plugin'
import { Counter } from 'prom-client'
import { Agent } from 'undici'
import { createKeyRing } from '../services/auth/key-ring.ts'
import { createKeyRepository } from '../services/calls/keys-repository.ts'
import { createClientRepository } from '../services/clients/repository.ts'
import { createGhlApi, type GhlApi } from '../services/ghl/api.ts'
import { createBudget } from '../services/ghl/budget.ts'
import { createGovernor, type Governor } from '../services/ghl/governor.ts'
import { createInstall, type Install } from '../services/ghl/install.ts'
import { createOAuthApi, type GhlApp } from '../services/ghl/oauth-api.ts'
import { createRenewal } from '../services/ghl/renewal.ts'
import { createTokens } from '../services/ghl/tokens.ts'
import { createTokenRepository, type TokenRepository } from '../services/ghl/tokens-repository.ts'
import type { Priority } from '../services/lanes.ts'

interface Ghl extends GhlApi {
  /** For GHL's other doors: whatever goes there passes it. */
  readonly governor: Governor
  /** How clients' accounts are connected; undefined without an app. */
  readonly install: Install | undefined
  /** Which clients are paused, and why. */
  readonly pauses: Pick<TokenRepository, 'reasonsOf'>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The GHL api; `forClient` binds it to one client's account. */
    ghl: Ghl
  }
}

export interface GhlPluginOptions {
  baseUrl: string
  /** The agency's marketplace app; undefined: clients have private integration tokens only. */
  app: GhlApp | undefined
  publicUrl: string
  /** Requests in 10 s for each location; default: 80, of which 40 for background work. */
  requests?: Record<Priority, number>
}

export default fp<GhlPluginOptions>(
  async (app, { baseUrl, app: ghlApp, publicUrl, requests }) => {
    const { sql, secrets, log } = app
    // Ten for each client at most (services/lanes.ts), so that it takes 50 whose CRM hangs to use them up.
    const agent = new Agent({ connections: 512, connect: { timeout: 2_000 }, keepAliveTimeout: 30_000 })
    const dispatcher = agent.compose(app.watched('ghl'))
    const lanes = { rest: app.lanesTo('ghl'), mcp: app.lanesTo('ghl-mcp') }
    const oauthLanes = app.lanesTo('ghl-oauth')

    const repository = createTokenRepository({ sql })
    const redirectUri = `${publicUrl}/ghl/oauth/callback`
    const oauth =
      ghlApp && createOAuthApi({ baseUrl, dispatcher, lanes: oauthLanes, app: ghlApp, redirectUri })
    const renewal = oauth && createRenewal({ repository, oauth, secrets })
    const tokens = createTokens({ repository, secrets, renewal, log })
    app.clients.onChange(tokens.changed)

    const held = new Counter({
      name: 'upstream_held_total',
      help: 'Requests to GHL that were held back here: open (breaker), busy, limited, paused (client), cancelled',
      labelNames: ['door', 'reason'],
      registers: [app.metrics.registry],
    })
    const governor = createGovernor({
      lanes,
      budget: createBudget({ redis: app.redis, ...(requests && { requests }) }),
      tokens,
      onHeld: (door, reason) => held.inc({ door, reason }),
    })

    const clients = createClientRepository({ sql })
    const locationOf = async (clientId: string) => {
      const row = await clients.byId(clientId)
      return row && { locationId: row.location_id }
    }
    const keys = createKeyRing({ repository: createKeyRepository({ sql }), purpose: 'ghl-install' })
    const install =
      oauth &&
      createInstall({
        ...{ oauth, repository, secrets, keys, locationOf, app: ghlApp, redirectUri, log },
        onConnected: tokens.changed,
      })

    app.decorate(
      'ghl',
      Object.freeze({
        ...createGhlApi({ baseUrl, dispatcher, governor }),
        governor,
        install,
        pauses: repository,
      }),
    )
    app.addHook('onClose', () => agent.close())
  },
  { name: 'ghl', dependencies: ['upstreams', 'metrics', 'database', 'redis', 'secrets', 'clients'] },
)
