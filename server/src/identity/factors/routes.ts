import { Type } from 'typebox'
import type { Static } from 'typebox'
import { AccessToken, SignedInAnswer, stepUp } from '../sign-in/sign-in.ts'
import type { Issuer, Passwords, SignInRules } from '../sign-in/sign-in.ts'
import { invalidField } from '../../platform/problems.ts'
import { Strict } from '../../platform/schemas.ts'
import type { App } from '../../platform/http/route.ts'
import { originOf } from '../../platform/http/route.ts'
import { getSecondFactors, renewRecoveryCodes, requireSession } from './factors.ts'
import { Code, MfaAnswer, RecoveryCodes, SecondFactors, StepUp, TotpSeed } from './messages.ts'
import { finishSignIn, stepUpByFactor } from '../mfa/proofs.ts'
import type { ProofTools } from '../mfa/proofs.ts'
import { beginTotp, confirmTotp, removeTotp } from './totp.ts'

export interface FactorOptions extends ProofTools {
  issuer: Issuer
  passwords: Passwords
  rules: SignInRules
  /** What authenticator apps show beside the code. */
  appName: string
  /** For how long a trusted device skips the second factor; 0: none does. */
  trustedDeviceDays: number
}

/** Tries a minute from one address, wherever something is guessed. */
const TRIES = 10

/** Secrets are read and written on the system login alone, under the caller's session as long as that lives. */
export function factorRoutes(app: App, options: FactorOptions): void {
  const { database, issuer, keys, rules, appName, trustedDeviceDays } = options
  const tags = ['Second factors']
  const session = { access: 'session', secret: true } as const
  const dear = { ...session, stepUp: true } as const

  app.get(
    '/auth/mfa',
    {
      ...session,
      schema: {
        operationId: 'getSecondFactors',
        summary: 'Read which second factors one has, and who demands one',
        tags,
        response: { 200: SecondFactors },
      },
    },
    async ({ actor }) => {
      const factors = await database.system.run(actor.scope, getSecondFactors)
      return { ...factors, trusted_device_days: trustedDeviceDays }
    },
  )

  app.post(
    '/auth/mfa/totp',
    {
      ...dear,
      problems: ['totp-enrolled'],
      schema: {
        operationId: 'beginTotp',
        summary: 'Begin to enrol an authenticator app',
        description: 'Nothing is demanded before a code has confirmed it. Beginning again replaces the seed.',
        tags,
        response: { 200: TotpSeed },
      },
    },
    ({ actor }) =>
      database.system.transaction(actor.scope, transaction =>
        beginTotp(transaction, keys, actor, { issuer: appName, label: actor.email }),
      ),
  )

  app.post(
    '/auth/mfa/totp/confirm',
    {
      ...session,
      perMinute: TRIES,
      problems: ['invalid-code', 'not-found', 'step-up-required', 'totp-enrolled'],
      schema: {
        operationId: 'confirmTotp',
        summary: 'Confirm the authenticator app by a code of it',
        description: 'From now on it is demanded at every sign-in, and this session has proved it.',
        tags,
        body: Strict({ code: Code }),
        response: { 200: Type.Object({ recovery_codes: Type.Optional(RecoveryCodes) }, { title: 'TotpConfirmed' }) },
      },
    },
    async ({ actor, body }) => {
      const recovery_codes = await database.system.transaction(actor.scope, transaction =>
        confirmTotp(transaction, keys, actor, body.code),
      )
      return recovery_codes === undefined ? {} : { recovery_codes }
    },
  )

  app.delete(
    '/auth/mfa/totp',
    {
      ...dear,
      problems: ['not-found'],
      schema: {
        operationId: 'removeTotp',
        summary: 'Remove the authenticator app',
        description:
          'With the last second factor go the recovery codes and the trust in devices, and organizations that demand one are closed to all sessions.',
        tags,
        response: { 204: Type.Null() },
      },
    },
    async ({ actor }, reply) => {
      await database.system.transaction(actor.scope, transaction => removeTotp(transaction, actor))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/auth/mfa/recovery-codes',
    {
      ...dear,
      problems: ['second-factor-missing'],
      schema: {
        operationId: 'makeRecoveryCodes',
        summary: 'Make new recovery codes',
        description: 'All earlier ones are void.',
        tags,
        response: { 200: Type.Object({ recovery_codes: RecoveryCodes }, { title: 'RecoveryCodes' }) },
      },
    },
    async ({ actor }) => ({
      recovery_codes: await database.system.transaction(actor.scope, transaction =>
        renewRecoveryCodes(transaction, keys, actor),
      ),
    }),
  )

  app.post(
    '/auth/mfa/verify',
    {
      access: 'public',
      secret: true,
      perMinute: TRIES,
      problems: [
        'invalid-code',
        'invalid-credentials',
        'invalid-passkey',
        'invalid-token',
        'email-unverified',
        'passkeys-unavailable',
      ],
      schema: {
        operationId: 'verifySecondFactor',
        summary: 'Finish a sign-in by a second factor',
        tags,
        body: MfaAnswer,
        response: { 200: SignedInAnswer },
      },
    },
    async (request, reply) => {
      const { trust_device = false, ...answer } = request.body
      requireOne(answer, ['code', 'recovery_code', 'passkey'])
      const trustSeconds = trust_device ? trustedDeviceDays * 86400 : undefined
      return issuer.answer(reply, await finishSignIn(options, rules, originOf(request), { ...answer, trustSeconds }))
    },
  )

  app.post(
    '/auth/step-up',
    {
      ...session,
      perMinute: TRIES,
      problems: ['invalid-code', 'invalid-credentials', 'invalid-passkey', 'invalid-token', 'passkeys-unavailable'],
      schema: {
        operationId: 'stepUp',
        summary: 'Prove again who one is',
        description:
          'The new access token carries a fresh `auth_time`, which dear operations demand. A second factor counts for this session from then on.',
        tags: ['Authentication'],
        body: StepUp,
        response: { 200: AccessToken },
      },
    },
    async ({ actor, body }): Promise<Static<typeof AccessToken>> => {
      const { password, ...answer } = body
      requireOne(body, ['password', 'code', 'recovery_code', 'passkey'])
      await actor.run(requireSession)
      const auth_time =
        password === undefined
          ? await stepUpByFactor(options, actor.scope, actor, answer)
          : await stepUp(options, actor.scope.origin, actor, password)
      const { user_id, session_id, email, organization_id, role } = actor
      const organization =
        organization_id === undefined || role === undefined ? undefined : { id: organization_id, role }
      return issuer.accessToken({ id: user_id, email }, { id: session_id, auth_time }, organization)
    },
  )
}

/** @throws Problem invalid-fields */
function requireOne<Body extends object>(body: Body, names: readonly (keyof Body & string)[]): void {
  const given = names.filter(name => body[name] !== undefined)
  if (given.length !== 1) throw invalidField(`/${given[1] ?? names[0]}`, `give one of ${names.join(', ')}`)
}
