import { feature } from '../../platform/feature.ts'
import type { Codes, ProblemTable } from '../../platform/problems.ts'
import { socialCodeToken } from './codes.ts'
import { socialToken } from './flows.ts'
import { mails } from './mails.ts'
import { socialRoutes } from './routes.ts'

const problems = {
  'link-required': [
    403,
    'Sign in first',
    'No open account belongs to this sign-in. Sign in another way, then link the provider with POST /api/v1/oauth/{provider}/link.',
  ],
  'provider-refused': [
    403,
    'Provider refused',
    'The provider let nobody in: it was cancelled there, or is not allowed. Begin again with GET /oauth/{provider}/initiate.',
  ],
  'provider-email-missing': [
    403,
    'No e-mail address from the provider',
    'An account needs an e-mail address, and the provider named none that can be used. Allow it there, or sign up with one.',
  ],
  'browser-unknown': [
    403,
    'Another browser',
    'This was begun in another browser, or its cookie is gone. Begin again with GET /oauth/{provider}/initiate.',
  ],
  'provider-failed': [
    502,
    'Provider failed',
    'The provider did not answer, or not as it must. Begin again later, or sign in another way.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Sign-in with an account at Google, GitHub or any OpenID Connect provider. */
export const social = feature({
  name: 'social',
  uses: ['users', 'sessions', 'history', 'changes', 'accounts', 'factors', 'proofs', 'sign-in', 'sign-up'],
  tags: { 'Social sign-in': 'With an account at Google, GitHub or any OpenID Connect provider.' },
  problems,
  tokens: [socialToken, socialCodeToken],
  mails,
  routes: [socialRoutes],
})
