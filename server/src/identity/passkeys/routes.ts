import { Type } from 'typebox'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { IdParams, PageQueryOf, PageSchema } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { RecoveryCodes } from '../factors/messages.ts'
import { ProofBody, proofProblems } from '../proofs/messages.ts'
import type { ProofServices } from '../proofs/proof.ts'
import { SignedInAnswer } from '../sign-in/messages.ts'
import {
  AuthenticationOptions,
  NewPasskey,
  Passkey,
  PasskeyLogin,
  PasskeyName,
  PasskeySignals,
  RegistrationOptions,
  RegistrationRequest,
} from './messages.ts'
import { challengePasskey, logInByPasskey } from './passkey-sign-in.ts'
import {
  addPasskey,
  beginPasskey,
  getPasskey,
  getSignals,
  listPasskeys,
  removePasskey,
  renamePasskey,
  requireParty,
} from './passkeys.ts'

/** The first second factor also creates recovery codes. */
const AddedPasskey = Type.Object(
  { ...Passkey.properties, recovery_codes: Type.Optional(RecoveryCodes) },
  { title: 'AddedPasskey' },
)

const tags = ['Passkeys']

export function passkeyRoutes(
  app: App,
  services: ProofServices & Pick<Services, 'cursors' | 'keys' | 'relyingParty'>,
): void {
  app.post(
    '/auth/passkeys/registration-options',
    {
      access: 'session',
      noStore: true,
      problems: ['too-many-passkeys', 'passkeys-unavailable'],
      schema: {
        operationId: 'beginPasskey',
        summary: 'Get the options for creating a passkey',
        description: 'For `navigator.credentials.create()`. Valid for five minutes, once.',
        tags,
        body: RegistrationRequest,
        response: { 200: RegistrationOptions },
      },
    },
    ({ actor, visitor, body }) => beginPasskey(visitor, services, actor, body?.mediation === 'conditional'),
  )

  app.get(
    '/auth/passkey-signals',
    {
      access: 'session',
      problems: ['passkeys-unavailable'],
      schema: {
        operationId: 'getPasskeySignals',
        summary: 'Get what password managers should know about the passkeys',
        description:
          'For the signal methods of browsers: after a sign-in, after a passkey was removed, and after the address or the name was changed.',
        tags,
        response: { 200: PasskeySignals },
      },
    },
    ({ actor }) => actor.account.run(getSignals(requireParty(services), actor.user_id)),
  )

  app.post(
    '/auth/passkeys',
    {
      access: 'session',
      noStore: true,
      tagged: true,
      perMinute: TRIES_PER_MINUTE,
      problems: [...proofProblems, 'passkey-taken', 'too-many-passkeys'],
      schema: {
        operationId: 'addPasskey',
        summary: 'Add a passkey',
        description: 'The passkey that the browser created with the options.',
        tags,
        body: NewPasskey,
        response: { 201: AddedPasskey },
      },
    },
    async (request, reply) => {
      const { actor, visitor, body } = request
      const passkey = await addPasskey(visitor, services, actor, body)
      reply.code(201).header('location', `/api/v1/auth/passkeys/${passkey.id}`)
      return sendTagged(reply, passkey.id, passkey)
    },
  )

  app.get(
    '/auth/passkeys',
    {
      access: 'session',
      schema: {
        operationId: 'listPasskeys',
        summary: "List the current user's passkeys",
        tags,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Passkey) },
      },
    },
    request => request.actor.account.run(listPasskeys(services.cursors.open(request))),
  )

  app.get(
    '/auth/passkeys/:id',
    {
      access: 'session',
      tagged: true,
      schema: {
        operationId: 'getPasskey',
        summary: 'Get a passkey',
        tags,
        params: IdParams,
        response: { 200: Passkey },
      },
    },
    async (request, reply) => {
      const { actor, params } = request
      const passkey = await actor.account.run(getPasskey(actor.user_id, params.id))
      return sendTagged(reply, passkey.id, passkey)
    },
  )

  for (const [method, operationId] of [
    ['PATCH', 'renamePasskey'],
    ['PUT', 'replacePasskeyName'],
  ] as const) {
    app.route({
      method,
      url: '/auth/passkeys/:id',
      access: 'session',
      tagged: true,
      schema: {
        operationId,
        summary: 'Rename a passkey',
        tags,
        params: IdParams,
        body: PasskeyName,
        response: { 200: Passkey },
      },
      handler: async (request, reply) => {
        const { actor, params, body } = request
        const condition = conditionOf(request, params.id)
        const passkey = await actor.account.run(renamePasskey(actor.user_id, params.id, body.name, condition))
        return sendTagged(reply, passkey.id, passkey)
      },
    })
  }

  app.delete(
    '/auth/passkeys/:id',
    {
      access: 'session',
      tagged: true,
      perMinute: TRIES_PER_MINUTE,
      problems: [...proofProblems, 'last-way-in'],
      schema: {
        operationId: 'removePasskey',
        summary: 'Remove a passkey',
        tags,
        params: IdParams,
        body: ProofBody,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, visitor, params, body } = request
      await removePasskey(visitor, services, actor, params.id, conditionOf(request, params.id), body?.proof)
      return reply.code(204).send(null)
    },
  )
}

export function passkeySignInRoutes(
  app: App,
  services: Pick<Services, 'declared' | 'issuer' | 'keys' | 'relyingParty' | 'signInRules'>,
): void {
  const rules = { access: 'public', noStore: true, perMinute: TRIES_PER_MINUTE } as const

  app.post(
    '/auth/passkeys/authentication-options',
    {
      ...rules,
      problems: ['passkeys-unavailable'],
      schema: {
        operationId: 'challengePasskey',
        summary: 'Get the options for signing in with a passkey',
        description: 'For `navigator.credentials.get()`; the same for everyone. Valid for five minutes, once.',
        tags,
        response: { 200: AuthenticationOptions },
      },
    },
    ({ visitor }) => challengePasskey(visitor, services),
  )

  app.post(
    '/auth/passkeys/login',
    {
      ...rules,
      problems: [
        'invalid-token',
        'invalid-passkey',
        'user-not-verified',
        'invalid-credentials',
        'email-unverified',
        'passkeys-unavailable',
      ],
      schema: {
        operationId: 'logInByPasskey',
        summary: 'Sign in with a passkey, without a username',
        description: 'A passkey counts as two factors, so `mfa-required` never follows.',
        tags,
        body: PasskeyLogin,
        response: { 200: SignedInAnswer },
      },
    },
    async (request, reply) => {
      const { device_token, ...answer } = request.body
      const device_id = services.issuer.readDevice(request, device_token)
      const signedIn = await logInByPasskey(request.visitor, services, { ...answer, device_id })
      return services.issuer.answer(reply, signedIn)
    },
  )
}
