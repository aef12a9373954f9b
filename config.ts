import { FormatRegistry, type Static, type TSchema, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'

const isHttpUrl = (text: string) => {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:')
}
FormatRegistry.Set('http-url', isHttpUrl)
FormatRegistry.Set('redis-url', (text) => /^rediss?:$/.test(URL.parse(text)?.protocol ?? ''))
FormatRegistry.Set('postgres-url', (text) => /^postgres(ql)?:$/.test(URL.parse(text)?.protocol ?? ''))

const HttpUrl = (options: object) =>
  Type.String({ format: 'http-url', errorMessage: 'must be an http(s) URL', ...options })

const PostgresUrl = Type.Optional(
  Type.String({ format: 'postgres-url', errorMessage: 'must be a postgres:// URL' }),
)

/** The environment as this server reads it. Every variable stands here, and in `.env.example`. */
const Environment = Type.Object({
  NODE_ENV: Type.Union([Type.Literal('development'), Type.Literal('test'), Type.Literal('production')], {
    default: 'development',
    errorMessage: 'must be development, test or production',
  }),
  HOST: Type.String({ default: '0.0.0.0', minLength: 1 }),
  PORT: Type.Integer({ default: 3000, minimum: 0, maximum: 65_535 }),
  LOG_LEVEL: Type.Union(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info', errorMessage: 'must be fatal, error, warn, info, debug, trace or silent' },
  ),
  PUBLIC_URL: Type.Optional(HttpUrl({})),
  TRUSTED_PROXIES: Type.Integer({ default: 0, minimum: 0, maximum: 16 }),
  DATABASE_URL: PostgresUrl,
  DATABASE_DIRECT_URL: PostgresUrl,
  REDIS_URL: Type.Optional(
    Type.String({ format: 'redis-url', errorMessage: 'must be a redis:// or rediss:// URL' }),
  ),
  ENCRYPTION_KEY: Type.Optional(Type.String()),
  ADMIN_TOKEN: Type.Optional(Type.String()),
  VAPI_WEBHOOK_TOKEN: Type.Optional(Type.String()),
  VAPI_HMAC_SECRET: Type.Optional(Type.String()),
  VAPI_CREDENTIAL_ID: Type.Optional(Type.String()),
  VAPI_API_KEY: Type.Optional(Type.String()),
  VAPI_BASE_URL: HttpUrl({ default: 'https://api.vapi.ai' }),
  GHL_BASE_URL: HttpUrl({ default: 'https://services.leadconnectorhq.com' }),
  GHL_MCP_URL: HttpUrl({ default: 'https://services.leadconnectorhq.com/mcp/' }),
  GHL_CLIENT_ID: Type.Optional(Type.String()),
  GHL_CLIENT_SECRET: Type.Optional(Type.String()),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(HttpUrl({})),
  SENTRY_DSN: Type.Optional(HttpUrl({})),
  METRICS_PORT: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
  CLIENT_CACHE_TTL_MS: Type.Integer({ default: 300_000, minimum: 1_000, maximum: 86_400_000 }),
  CLIENT_CACHE_MAX: Type.Integer({ default: 10_000, minimum: 1, maximum: 10_000_000 }),
})
type Environment = Static<typeof Environment>

export interface Config {
  readonly env: 'development' | 'test' | 'production'
  readonly host: string
  readonly port: number
  readonly logLevel: string
  /** Under which VAPI and people reach this server; without a slash at the end. */
  readonly publicUrl: string
  /** Undefined: an embedded PostgreSQL under `dataDirectory` is started. */
  readonly databaseUrl: string | undefined
  readonly dataDirectory: string
  /**
   * PostgreSQL itself, where `databaseUrl` is a pooler's: for migrations, LISTEN and the queue. Undefined: there is
   * no pooler between.
   */
  readonly databaseDirectUrl: string | undefined
  /** Limits are shared through it; undefined: each instance has its own. */
  readonly redisUrl: string | undefined
  /** How many proxies stand before this server: so many forwarded addresses are believed. */
  readonly trustedProxies: number
  /** 32 bytes each, in base64 or hex: the first seals, all open; empty: what should be sealed stays plain. */
  readonly encryptionKeys: readonly string[]
  /** Who may use the admin routes; empty: there are none. */
  readonly adminTokens: readonly AdminToken[]
  readonly telemetry: {
    readonly otlpEndpoint: string | undefined
    readonly sentryDsn: string | undefined
    /** Metrics are served there without a credential; undefined: at /metrics with the admin's. */
    readonly metricsPort: number | undefined
  }
  readonly vapi: {
    /** Any of these opens the webhook. */
    readonly webhookTokens: readonly string[]
    /** Secrets of VAPI's HMAC credential; any of them may have signed. With neither these nor tokens authentication is off. */
    readonly hmacSecrets: readonly string[]
    /** The VAPI credential that makes VAPI send one of `webhookTokens`; stands in the assistant instead of a secret. */
    readonly credentialId: string | undefined
    readonly apiKey: string | undefined
    readonly baseUrl: string
  }
  readonly ghl: {
    readonly baseUrl: string
    readonly mcpUrl: string
    /** The agency's marketplace app; undefined: clients have private integration tokens only. */
    readonly app: { readonly clientId: string; readonly clientSecret: string } | undefined
  }
  readonly clientCache: { readonly ttlMs: number; readonly max: number }
}

export interface AdminToken {
  /** Stands in the audit log. */
  readonly name: string
  readonly token: string
}

/** The environment is not usable. The message lists every variable at fault, a line each; values are not repeated. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

/**
 * Reads the configuration from environment variables. An empty variable counts as absent.
 * @throws ConfigError naming every variable that is at fault.
 */
export function loadConfig(env: Record<string, string | undefined> = process.env): Config {
  const given: Record<string, string | number> = {}
  for (const [name, schema] of Object.entries(Environment.properties)) {
    const value = env[name]?.trim()
    // Digits only: TypeBox's own conversion would read "true" as port 1.
    if (value) given[name] = schema.type === 'integer' && /^\d+$/.test(value) ? Number(value) : value
  }
  const read = Value.Default(Environment, given) as Environment
  const problems = new Map<string, string>()
  for (const error of Value.Errors(Environment, read)) {
    const name = error.path.split('/')[1] ?? ''
    if (!problems.has(name)) problems.set(name, describe(error.schema, error.message))
  }

  const webhookTokens = list(read.VAPI_WEBHOOK_TOKEN)
  const hmacSecrets = list(read.VAPI_HMAC_SECRET)
  const encryptionKeys = list(read.ENCRYPTION_KEY)
  if (read.NODE_ENV === 'production') {
    const required = 'is required with NODE_ENV=production'
    if (!read.DATABASE_URL) problems.set('DATABASE_URL', required)
    if (webhookTokens.length + hmacSecrets.length === 0)
      problems.set('VAPI_WEBHOOK_TOKEN', `or VAPI_HMAC_SECRET ${required}`)
    if (encryptionKeys.length === 0) problems.set('ENCRYPTION_KEY', required)
  }
  if (!encryptionKeys.every(isKey))
    problems.set(
      'ENCRYPTION_KEY',
      'must be 32 bytes in base64 or hex, or several of them, separated by commas',
    )
  if (read.DATABASE_DIRECT_URL && !read.DATABASE_URL)
    problems.set('DATABASE_DIRECT_URL', 'makes sense only beside DATABASE_URL')
  if (!read.GHL_CLIENT_ID !== !read.GHL_CLIENT_SECRET)
    problems.set(
      read.GHL_CLIENT_ID ? 'GHL_CLIENT_SECRET' : 'GHL_CLIENT_ID',
      'is required: both describe the app',
    )
  if (problems.size > 0) throw new ConfigError([...problems].map(([name, message]) => `${name} ${message}`))

  return deepFreeze({
    env: read.NODE_ENV,
    host: read.HOST,
    port: read.PORT,
    logLevel: read.LOG_LEVEL as string,
    publicUrl: (read.PUBLIC_URL ?? `http://localhost:${read.PORT}`).replace(/\/+$/, ''),
    databaseUrl: read.DATABASE_URL,
    dataDirectory: '.data',
    databaseDirectUrl: read.DATABASE_DIRECT_URL,
    redisUrl: read.REDIS_URL,
    trustedProxies: read.TRUSTED_PROXIES,
    encryptionKeys,
    adminTokens: list(read.ADMIN_TOKEN).map(adminToken),
    telemetry: {
      otlpEndpoint: read.OTEL_EXPORTER_OTLP_ENDPOINT,
      sentryDsn: read.SENTRY_DSN,
      metricsPort: read.METRICS_PORT,
    },
    vapi: {
      webhookTokens,
      hmacSecrets,
      credentialId: read.VAPI_CREDENTIAL_ID,
      apiKey: read.VAPI_API_KEY,
      baseUrl: read.VAPI_BASE_URL.replace(/\/+$/, ''),
    },
    ghl: {
      baseUrl: read.GHL_BASE_URL.replace(/\/+$/, ''),
      mcpUrl: read.GHL_MCP_URL,
      app:
        read.GHL_CLIENT_ID && read.GHL_CLIENT_SECRET
          ? { clientId: read.GHL_CLIENT_ID, clientSecret: read.GHL_CLIENT_SECRET }
          : undefined,
    },
    clientCache: { ttlMs: read.CLIENT_CACHE_TTL_MS, max: read.CLIENT_CACHE_MAX },
  })
}

function describe(schema: TSchema, fallback: string): string {
  if (schema.errorMessage) return schema.errorMessage
  if (schema.type === 'integer') return `must be a whole number from ${schema.minimum} to ${schema.maximum}`
  return fallback.toLowerCase()
}

const list = (text: string | undefined) =>
  (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean)

const isKey = (text: string) => /^[0-9a-f]{64}$/i.test(text) || /^[A-Za-z0-9+/_-]{43}=?$/.test(text)

/** `name:token`, or a token alone. The name is for the audit log. */
function adminToken(text: string): AdminToken {
  const [, name, token] = /^([a-z0-9_-]{1,32}):(.+)$/i.exec(text) ?? []
  return name && token ? { name, token } : { name: 'admin', token: text }
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  return Object.freeze(value)
}
