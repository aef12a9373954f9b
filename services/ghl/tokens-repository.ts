import type { Database, Runner } from '../database/pool.ts'

/** Tokens of one client, sealed. */
export interface StoredTokens {
  access_token: string
  refresh_token: string
  user_type: string
  company_id: string | null
  location_id: string
  scopes: string
}

/** What is known of a client's credential. Times are in seconds from now, by the database's clock. */
export interface CredentialRow {
  /** All null where the client has no OAuth tokens. */
  access_token: string | null
  version: number | null
  expires_in: number | null
  /** All null where nothing was refused. */
  refused: string | null
  reason: string | null
  /** Null, beside a reason: not before something changes. */
  retry_in: number | null
}

export interface LeasedTokens extends StoredTokens {
  version: number
}

/** The tables `ghl_oauth_tokens` and `crm_pauses`. */
export function createTokenRepository({ sql }: { sql: Pick<Database, 'forClient' | 'forAllClients'> }) {
  return {
    async of(clientId: string, on: Runner = sql.forClient(clientId)): Promise<CredentialRow | undefined> {
      const rows = await on<CredentialRow[]>`
        select t.access_token, t.version, extract(epoch from t.expires_at - now())::float as expires_in,
          p.credential as refused, p.reason, extract(epoch from p.retry_at - now())::float as retry_in
        from (values (${clientId}::uuid)) c (id)
        left join ghl_oauth_tokens t on t.client_id = c.id
        left join crm_pauses p on p.client_id = c.id`
      return rows[0]
    },

    /** Takes the refresh of one version of a client's tokens for `seconds`; undefined if somebody else has it, or they are newer. */
    async lease(
      clientId: string,
      version: number,
      seconds: number,
      on: Runner = sql.forClient(clientId),
    ): Promise<LeasedTokens | undefined> {
      const rows = await on<LeasedTokens[]>`
        update ghl_oauth_tokens set refreshing_until = now() + make_interval(secs => ${seconds})
        where client_id = ${clientId} and version = ${version}
          and (refreshing_until is null or refreshing_until < now())
        returning access_token, refresh_token, user_type, company_id, location_id, scopes, version`
      return rows[0]
    },

    /** Gives a refresh that came to nothing back. */
    async release(clientId: string, version: number, on: Runner = sql.forClient(clientId)): Promise<void> {
      await on`
        update ghl_oauth_tokens set refreshing_until = null
        where client_id = ${clientId} and version = ${version}`
    },

    /** Both new tokens in the place of those of `version`; false if those have been replaced already. */
    async replace(
      clientId: string,
      version: number,
      tokens: StoredTokens,
      expiresInSeconds: number,
      on: Runner = sql.forClient(clientId),
    ): Promise<boolean> {
      const rows = await on`
        update ghl_oauth_tokens set
          access_token = ${tokens.access_token}, refresh_token = ${tokens.refresh_token},
          user_type = ${tokens.user_type}, company_id = ${tokens.company_id}, scopes = ${tokens.scopes},
          expires_at = now() + make_interval(secs => ${expiresInSeconds}), version = version + 1,
          refreshing_until = null, updated_at = now()
        where client_id = ${clientId} and version = ${version}
        returning version`
      return rows.length > 0
    },

    /** The tokens of a consent just given, whatever was there before. A client that had no location gets theirs. */
    async connect(clientId: string, tokens: StoredTokens, expiresInSeconds: number): Promise<void> {
      await sql.forClient(clientId).begin(async (tx) => {
        await tx`
          insert into ghl_oauth_tokens as t
            (client_id, access_token, refresh_token, user_type, company_id, location_id, scopes, expires_at)
          values (
            ${clientId}, ${tokens.access_token}, ${tokens.refresh_token}, ${tokens.user_type},
            ${tokens.company_id}, ${tokens.location_id}, ${tokens.scopes},
            now() + make_interval(secs => ${expiresInSeconds})
          )
          on conflict (client_id) do update set
            access_token = excluded.access_token, refresh_token = excluded.refresh_token,
            user_type = excluded.user_type, company_id = excluded.company_id,
            location_id = excluded.location_id, scopes = excluded.scopes, expires_at = excluded.expires_at,
            version = t.version + 1, refreshing_until = null, updated_at = now()`
        await tx`delete from crm_pauses where client_id = ${clientId}`
        await tx`
          update clients set location_id = ${tokens.location_id} where id = ${clientId} and location_id = ''`
      })
    },

    /** Notes that a credential was refused. True if that is news. */
    async pause(
      clientId: string,
      {
        credential,
        reason,
        retrySeconds,
      }: { credential: string; reason: string; retrySeconds: number | null },
      on: Runner = sql.forClient(clientId),
    ): Promise<boolean> {
      const rows = await on<{ news: boolean }[]>`
        with before as (
          select 1 from crm_pauses
          where client_id = ${clientId} and credential = ${credential} and reason = ${reason}
        )
        insert into crm_pauses as p (client_id, credential, reason, retry_at)
        values (${clientId}, ${credential}, ${reason}, now() + make_interval(secs => ${retrySeconds}::float))
        on conflict (client_id) do update set
          paused_at = case when p.credential = excluded.credential then p.paused_at else excluded.paused_at end,
          credential = excluded.credential, reason = excluded.reason, retry_at = excluded.retry_at
        returning not exists (select from before) as news`
      return rows[0]?.news === true
    },

    async resume(clientId: string, on: Runner = sql.forClient(clientId)): Promise<void> {
      await on`delete from crm_pauses where client_id = ${clientId}`
    },

    /** Why each of these clients is paused; those that are not are left out. */
    async reasonsOf(
      clientIds: readonly string[],
      on: Runner = sql.forAllClients,
    ): Promise<Map<string, { reason: string; since: Temporal.Instant }>> {
      const rows = await on<{ client_id: string; reason: string; since: Date }[]>`
        select client_id, reason, paused_at as since from crm_pauses
        where client_id = any(${clientIds}::uuid[])`
      return new Map(
        rows.map(({ client_id, reason, since }) => [client_id, { reason, since: since.toTemporalInstant() }]),
      )
    },
  }
}

export type TokenRepository = ReturnType<typeof createTokenRepository>
