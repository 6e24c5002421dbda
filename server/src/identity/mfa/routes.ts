import { Type } from 'typebox'
import type { Static } from 'typebox'
import { listOwnEntitlements } from '../../directory/organizations/organizations.ts'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { renewRecoveryCodes, requireSession } from '../factors/factors.ts'
import { RecoveryCodes } from '../factors/messages.ts'
import { AuthenticationOptions } from '../passkeys/messages.ts'
import { challengePasskey } from '../passkeys/passkey-sign-in.ts'
import { ProofBody, proofProblems } from '../proofs/messages.ts'
import { changeWithProof } from '../proofs/proof.ts'
import { AccessToken, SignedInAnswer } from '../sign-in/messages.ts'
import { MfaAnswer, MfaToken, SecondFactors, StepUp } from './messages.ts'
import { challengeSecondFactor, finishSignIn, stepUpByFactor } from './proofs.ts'
import { getSecondFactors } from './second-factors.ts'
import { stepUpByPassword } from './step-up.ts'

type MfaServices = Pick<
  Services,
  | 'config'
  | 'declared'
  | 'factorVerifiers'
  | 'issuer'
  | 'keys'
  | 'lockout'
  | 'passwords'
  | 'relyingParty'
  | 'signInRules'
>

export function mfaRoutes(app: App, services: MfaServices): void {
  const { issuer, config } = services
  const tags = ['Second factors']
  const rules = { access: 'public', noStore: true, perMinute: TRIES_PER_MINUTE } as const

  app.get(
    '/auth/mfa',
    {
      access: 'session',
      noStore: true,
      schema: {
        operationId: 'getSecondFactors',
        summary: 'Get second-factor status',
        tags,
        response: { 200: SecondFactors },
      },
    },
    async ({ actor }) => {
      const factors = await actor.account.run(getSecondFactors)
      return { ...factors, trusted_device_days: config.trustedDeviceSeconds / 86400 }
    },
  )

  app.post(
    '/auth/mfa/passkey-options',
    {
      ...rules,
      problems: ['invalid-token', 'passkeys-unavailable'],
      schema: {
        operationId: 'challengeSecondFactor',
        summary: 'Get the options for finishing a sign-in with a passkey',
        tags: ['Passkeys'],
        body: Strict({ mfa_token: MfaToken }),
        response: { 200: AuthenticationOptions },
      },
    },
    ({ visitor, body }) => challengeSecondFactor(visitor, services, body.mfa_token),
  )

  app.post(
    '/auth/mfa/verify',
    {
      ...rules,
      problems: [
        'invalid-code',
        'invalid-credentials',
        'invalid-passkey',
        'user-not-verified',
        'invalid-token',
        'email-unverified',
        'password-change-required',
        'passkeys-unavailable',
      ],
      schema: {
        operationId: 'verifySecondFactor',
        summary: 'Finish a sign-in with a second factor',
        tags,
        body: MfaAnswer,
        response: { 200: SignedInAnswer },
      },
    },
    async ({ visitor, body }, reply) => {
      const { mfa_token, trust_device = false, ...answer } = body
      const trustSeconds = trust_device ? config.trustedDeviceSeconds : undefined
      return issuer.answer(reply, await finishSignIn(visitor, services, mfa_token, answer, { trustSeconds }))
    },
  )
}

export function recoveryCodeRoutes(app: App, services: MfaServices): void {
  app.post(
    '/auth/mfa/recovery-codes',
    {
      access: 'session',
      noStore: true,
      perMinute: TRIES_PER_MINUTE,
      problems: [...proofProblems, 'second-factor-missing'],
      schema: {
        operationId: 'makeRecoveryCodes',
        summary: 'Generate new recovery codes',
        description: 'All earlier codes become invalid.',
        tags: ['Second factors'],
        body: ProofBody,
        response: { 200: Type.Object({ recovery_codes: RecoveryCodes }, { title: 'RecoveryCodes' }) },
      },
    },
    async ({ actor, visitor, body }) => ({
      recovery_codes: await changeWithProof(visitor, services, actor, body?.proof, transaction =>
        renewRecoveryCodes(transaction, services, actor),
      ),
    }),
  )
}

export function stepUpRoutes(app: App, services: MfaServices): void {
  const rules = { access: 'session', noStore: true, perMinute: TRIES_PER_MINUTE } as const

  app.post(
    '/auth/step-up/passkey-options',
    {
      ...rules,
      problems: ['passkeys-unavailable'],
      schema: {
        operationId: 'challengeStepUp',
        summary: 'Get the options for re-authenticating with a passkey',
        tags: ['Passkeys'],
        response: { 200: AuthenticationOptions },
      },
    },
    ({ actor, visitor }) => challengePasskey(visitor, services, { user_id: actor.user_id }),
  )

  app.post(
    '/auth/step-up',
    {
      ...rules,
      problems: [
        'invalid-code',
        'invalid-credentials',
        'invalid-passkey',
        'user-not-verified',
        'invalid-token',
        'passkeys-unavailable',
      ],
      schema: {
        operationId: 'stepUp',
        summary: 'Re-authenticate',
        description:
          'The new access token has a new `auth_time`, for operations that require a recent sign-in. A second factor then counts as verified in this session.',
        tags: ['Authentication'],
        body: StepUp,
        response: { 200: AccessToken },
      },
    },
    async ({ actor, visitor, body }): Promise<Static<typeof AccessToken>> => {
      const { password, ...answer } = body
      await actor.account.run(requireSession)
      const auth_time =
        password === undefined
          ? await stepUpByFactor(visitor, services, actor, answer)
          : await stepUpByPassword(visitor, services, actor, password)
      const { user_id, session_id, email, organization_id, role } = actor
      const organization =
        organization_id === undefined || role === undefined
          ? undefined
          : { id: organization_id, role, entitlements: await actor.account.run(listOwnEntitlements(organization_id)) }
      return services.issuer.accessToken({ id: user_id, email }, { id: session_id, auth_time }, organization)
    },
  )
}
