import type { Test } from 'tap'
import { Agent } from 'undici'
import { type CrmSandbox, type LocationSeed, startCrmSandbox } from '../../../sandbox/crm/server.ts'
import { createClientRepository } from '../../../services/clients/repository.ts'
import { createDatabase, type Database } from '../../../services/database/pool.ts'
import { createGhlApi } from '../../../services/ghl/api.ts'
import { createBudget } from '../../../services/ghl/budget.ts'
import { createGovernor } from '../../../services/ghl/governor.ts'
import type { Tokens } from '../../../services/ghl/oauth-api.ts'
import { createOAuthApi } from '../../../services/ghl/oauth-api.ts'
import { createRenewal, sealed } from '../../../services/ghl/renewal.ts'
import { createTokens } from '../../../services/ghl/tokens.ts'
import { createTokenRepository, type TokenRepository } from '../../../services/ghl/tokens-repository.ts'
import { createLanes } from '../../../services/lanes.ts'
import { createSecrets } from '../../../services/secrets.ts'
import { createTestDatabase, ENCRYPTION_KEY, NOW } from '../../helper.ts'

export const APP = { clientId: 'test-app', clientSecret: 'test-app-secret' }
export const PHONE = '+12505550188'
const REDIRECT = 'https://agent.example.com/ghl/oauth/callback'

export interface World {
  crm: CrmSandbox
  sql: Database
  repository: TokenRepository
  /** One instance of the server, as far as GHL is concerned. */
  instance(change?: { repository?: Partial<TokenRepository>; attemptDeadlineMs?: number }): Instance
  /** A client with a location and a static token of its own. */
  addClient(location?: Partial<LocationSeed>): Promise<Account>
  /** Has the client connect through the app. */
  connect(account: Account, consent?: Parameters<CrmSandbox['oauth']['consent']>[0]): Promise<void>
  /** Requests to GHL by path. */
  requests(path: string): CrmSandbox['exchanges']
}

export interface Account {
  clientId: string
  token: string
  locationId: string
}

export interface Instance {
  ghl: ReturnType<typeof createGhlApi>
  tokens: ReturnType<typeof createTokens>
  logs: { message: string; facts: Record<string, unknown> }[]
  states(): string[]
  /** Looks a contact up, which costs one request. */
  look(
    account: Account,
    options?: { signal?: AbortSignal; priority?: 'live' | 'background' },
  ): Promise<unknown>
}

let database: Promise<string> | undefined
let count = 0

/** GHL with its OAuth, PostgreSQL, and any number of instances between. */
export async function startWorld(t: Test): Promise<World> {
  database ??= createTestDatabase()
  const crm = await startCrmSandbox({ now: () => NOW, app: APP })
  const sql = createDatabase({ url: await database, role: 'agent_server' })
  const dispatcher = new Agent({ connections: 32 })
  t.teardown(async () => {
    await dispatcher.destroy()
    await crm.close()
    await sql.end()
  })
  const secrets = createSecrets([ENCRYPTION_KEY])
  const repository = createTokenRepository({ sql })
  const oauthOf = () =>
    createOAuthApi({
      baseUrl: crm.url,
      dispatcher,
      lanes: createLanes({ kind: 'ghl-oauth' }),
      app: APP,
      redirectUri: REDIRECT,
    })

  return {
    crm,
    sql,
    repository,
    instance(change = {}) {
      const logs: Instance['logs'] = []
      const note = (facts: object, message: string) =>
        void logs.push({ message, facts: facts as Record<string, unknown> })
      const stored = { ...repository, ...change.repository }
      const tokens = createTokens({
        repository: stored,
        secrets,
        renewal: createRenewal({ repository: stored, oauth: oauthOf(), secrets }),
        log: { error: note, info: note },
      })
      const lanes = { rest: createLanes({ kind: 'ghl' }), mcp: createLanes({ kind: 'ghl-mcp' }) }
      const governor = createGovernor({ lanes, budget: createBudget(), tokens })
      const { attemptDeadlineMs = 4_000 } = change
      const ghl = createGhlApi({ baseUrl: crm.url, dispatcher, governor, attemptDeadlineMs })
      return {
        ghl,
        tokens,
        logs,
        states: () => [...lanes.rest.states()].map(({ state }) => state),
        look: (account, { signal = AbortSignal.timeout(9_000), priority = 'live' } = {}) =>
          ghl.forClient({ ...account, calendarId: undefined, signal, priority }).contacts.byPhone(PHONE),
      }
    },
    async addClient(location = {}) {
      const suffix = String(++count).padStart(4, '0')
      const seed = {
        id: `GovernedLocation${suffix}`,
        token: `pit-${suffix}`,
        timezone: 'America/Vancouver',
        ...location,
      }
      crm.addLocation(seed)
      const clientId = await createClientRepository({ sql }).put({
        client_name: 'Riverside Plumbing',
        twilio_number: `+1604555${suffix}`,
        ghl_token: seed.token,
        location_id: seed.id,
      })
      return { clientId, token: seed.token, locationId: seed.id }
    },
    async connect({ clientId, locationId }, consent = { locationId }) {
      const { signal } = new AbortController()
      const given = await oauthOf().exchange(crm.oauth.consent(consent), signal)
      const own: Tokens =
        given.userType === 'Company' && given.companyId
          ? { ...given, ...(await oauthOf().ofLocation(given.access, given.companyId, locationId, signal)) }
          : given
      const { userType, companyId, refresh = '' } = given
      const tokens = { ...own, userType, companyId, refresh, locationId }
      await repository.connect(clientId, sealed(secrets, clientId, tokens), own.expiresInSeconds)
    },
    requests: (path) => crm.exchanges.filter(({ request }) => request.path === path),
  }
}
