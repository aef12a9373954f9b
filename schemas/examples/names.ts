/** What a request brings, and what comes back. */
export interface Example {
  body?: unknown
  answer?: unknown
}
export type Examples = Readonly<Record<string, Example>>

/** Whom and what the examples speak of. */
export const CLIENT = '4d0f9a52-7c1e-4c38-9b53-0f6a2f1f7e10'
export const SESSION = '0b7d2f9e-3a44-4a58-8f0c-6b2c7a9d1e21'
export const JOB = 'c2b7e6f4-58a0-4f0d-9f3e-1d4a5b6c7d80'
export const ERASURE = '9a1c3e57-2b4d-4f60-8a7b-5c6d7e8f9012'
export const CALL = '7420f27a-30fd-4f49-a995-5549ae7cc00d'
export const CONTACT = 'seD4PfOuKoVMLkEZqohJ'
