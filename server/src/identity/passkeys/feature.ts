import { sql } from 'kysely'
import { execute, tables } from '../../platform/database/statement.ts'
import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import type { RelyingParty } from './ceremonies.ts'
import { mails } from './mails.ts'
import { passkeyAuthenticationToken, passkeyRefused, passkeyVerifier } from './passkey-sign-in.ts'
import { hasAnyPasskey, passkeyAdded, passkeyIds, passkeyRegistrationToken, passkeyRemoved } from './passkeys.ts'
import { passkeyRoutes, passkeySignInRoutes } from './routes.ts'

const query = tables('system', 'passkeys')

const problems = {
  'invalid-passkey': [
    401,
    'Invalid passkey',
    'The passkey is unknown, or its signature for this challenge is not valid. Get new options and try again, or use another sign-in method.',
  ],
  'user-not-verified': [
    401,
    'User not verified',
    'The passkey asked you for neither PIN, fingerprint nor face. Set a PIN on the security key, or use another passkey or sign-in method.',
  ],
  'passkey-taken': [
    409,
    'Passkey registered',
    'This passkey is already registered. Use it, or add one on another authenticator.',
  ],
  'too-many-passkeys': [
    409,
    'Too many passkeys',
    'An account can have 20 passkeys. Remove one that is no longer used.',
  ],
  'passkeys-unavailable': [
    409,
    'Passkeys unavailable',
    'Browsers support passkeys only on a domain name with https, and this service is not configured so. Use another sign-in method.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}
declare module '../../platform/services.ts' {
  interface Services {
    /** The relying party of passkeys; undefined if no browser would accept it. */
    readonly relyingParty: RelyingParty | undefined
  }
}

/** Passkeys (WebAuthn): a sign-in method of two factors, and a second factor after a password. */
export const passkeys = feature({
  name: 'passkeys',
  uses: ['users', 'sessions', 'history', 'changes', 'factors', 'proofs', 'sign-in'],
  sql: [new URL('passkeys.sql', import.meta.url)],
  tags: { Passkeys: 'Add, rename and remove passkeys, and sign in with them.' },
  problems,
  tokens: [passkeyRegistrationToken, passkeyAuthenticationToken],
  events: [passkeyAdded, passkeyRemoved, passkeyRefused],
  mails,
  secondFactor: { method: 'passkey', exists: hasAnyPasskey, ids: passkeyIds },
  signInMethod: user_id => hasAnyPasskey(sql`${user_id}`),
  erasure: ({ id }) => [execute(query.deleteFrom('passkeys').where('user_id', '=', id))],
  export: [
    {
      name: 'passkeys',
      description: "The user's passkeys, without their keys.",
      columns: sql`id, name, transports, backed_up, created_at, last_used_at`,
      from: sql`passkeys where user_id = (select user_id from self)`,
      key: sql`id`,
    },
  ],
  provide: ({ config: { appName: name, passkeys: party }, keys, factorVerifiers }) => {
    const relyingParty = party && { id: party.rpId, name, origins: party.origins }
    return { relyingParty, factorVerifiers: [...factorVerifiers, passkeyVerifier({ keys, relyingParty })] }
  },
  routes: [passkeyRoutes, passkeySignInRoutes],
})
