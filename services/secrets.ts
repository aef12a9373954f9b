import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/** `sealed:v1:<key id>:<nonce, ciphertext and tag in base64url>`. What begins otherwise is plain. */
const SEALED = /^sealed:v1:([0-9a-f]{8}):([A-Za-z0-9_-]+)$/
const PREFIX = 'sealed:'
const NONCE_BYTES = 12
const TAG_BYTES = 16

const REASONS = {
  KEY_MISSING: 'it is sealed with a key that is not in ENCRYPTION_KEY',
  TAMPERED: 'it was changed, or belongs to another row',
  MALFORMED: 'it is not in a known form',
} as const

/** A stored secret does not open. Holds nothing of it. */
export class SecretError extends Error {
  override readonly name = 'SecretError'
  readonly code: keyof typeof REASONS

  constructor(code: keyof typeof REASONS) {
    super(`The secret does not open: ${REASONS[code]}.`)
    this.code = code
  }
}

/** Where a secret stands: in another column or row it does not open. `column` is `table.column`, `id` the row's. */
export const placeOf = (column: `${string}.${string}`, id: string) => `${column}:${id.toLowerCase()}`

/**
 * Secrets as they are stored: AES-256-GCM. Of `keys` (32 bytes each, in base64 or hex) the first seals and all open,
 * so that a key can be changed while the server runs. Without keys what is sealed stays plain. Texts that are plain
 * open as they are.
 *
 * `place` (see `placeOf`) is authenticated with the text: a value that is copied to another row does not open there.
 */
export function createSecrets(keys: readonly string[]) {
  const ring = new Map(keys.map(readKey).map((key) => [keyIdOf(key), key]))
  const [current] = ring

  return {
    /** Ids of the keys, the one that seals first. */
    keyIds: [...ring.keys()] as readonly string[],

    seal(plain: string, place: string): string {
      if (!current) return plain
      const [id, key] = current
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      cipher.setAAD(associated(id, place))
      const sealed = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${PREFIX}v1:${id}:${sealed.toString('base64url')}`
    },

    /** @throws SecretError */
    open(stored: string, place: string): string {
      if (!stored.startsWith(PREFIX)) return stored
      const [, id, text] = SEALED.exec(stored) ?? []
      if (id === undefined || text === undefined) throw new SecretError('MALFORMED')
      const key = ring.get(id)
      if (!key) throw new SecretError('KEY_MISSING')
      const sealed = Buffer.from(text, 'base64url')
      if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new SecretError('MALFORMED')
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(associated(id, place))
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
      try {
        const opened = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES))
        return Buffer.concat([opened, decipher.final()]).toString('utf8')
      } catch {
        throw new SecretError('TAMPERED')
      }
    },

    isSealed: (stored: string): boolean => stored.startsWith(PREFIX),

    /** Whether it is stored as it would be now: with the first key, or plain where there is none. */
    isCurrent: (stored: string): boolean =>
      current ? SEALED.exec(stored)?.[1] === current[0] : !stored.startsWith(PREFIX),
  }
}

export type Secrets = ReturnType<typeof createSecrets>

/** Hex has 64 digits, base64 of 32 bytes 43 and its padding; both forms of base64 are read. */
const readKey = (text: string) => Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? 'hex' : 'base64')

/** Says which key it is, and nothing of the key. */
const keyIdOf = (key: Buffer) => createHash('sha256').update('key id:').update(key).digest('hex').slice(0, 8)

const associated = (keyId: string, place: string) => Buffer.from(`${PREFIX}v1:${keyId}:${place}`)
