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
    'No live account is linked to this sign-in. Sign in another way, then link the provider with POST /api/v1/oauth/{provider}/link.',
  ],
  'provider-refused': [
    403,
    'Provider refused',
    'The provider refused the sign-in: it was cancelled there, or is not allowed. Begin again with GET /oauth/{provider}/initiate.',
  ],
  'provider-email-missing': [
    403,
    'No email address from the provider',
    'An account needs an email address, and the provider gave none that can be used. Allow it there, or sign up with one.',
  ],
  'browser-unknown': [
    403,
    'Another browser',
    'This sign-in began in another browser, or its cookie is missing. Begin again with GET /oauth/{provider}/initiate.',
  ],
  'account-closed': [
    403,
    'Account closed',
    'The account of this sign-in was deleted or disabled. A deleted account can be restored with the link in the email about its deletion; for a disabled one, write to the operators.',
  ],
  'provider-failed': [
    502,
    'Provider failed',
    'The provider did not respond, or its response was not valid. Begin again later, or sign in another way.',
  ],
} as const satisfies ProblemTable

declare module '../../platform/problems.ts' {
  interface DeclaredProblems extends Codes<typeof problems> {}
}

/** Sign-in with an account at Google, GitHub or any OpenID Connect provider. */
export const social = feature({
  name: 'social',
  uses: ['users', 'sessions', 'history', 'changes', 'accounts', 'factors', 'proofs', 'sign-in', 'sign-up'],
  tags: { 'Social sign-in': 'Sign in with an account at Google, GitHub or any OpenID Connect provider.' },
  problems,
  tokens: [socialToken, socialCodeToken],
  mails,
  routes: [socialRoutes],
})
