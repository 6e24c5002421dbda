import { Type } from 'typebox'
import { SignedInAnswer } from '../sign-in/sign-in.ts'
import type { AuthKeys, Issuer, SignInRules } from '../sign-in/sign-in.ts'
import { IdParams, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { Pages } from '../../platform/http/cursors.ts'
import { originOf } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { requireSession } from '../factors/factors.ts'
import type { FactorKeys } from '../factors/factors.ts'
import { RecoveryCodes } from '../factors/messages.ts'
import {
  AuthenticationOptions,
  MfaToken,
  NewPasskey,
  Passkey,
  PasskeyLogin,
  PasskeyName,
  RegistrationOptions,
} from './messages.ts'
import { challengePasskey, challengeSecondFactor, logInByPasskey } from './passkey-sign-in.ts'
import { addPasskey, beginPasskey, getPasskey, listPasskeys, removePasskey, renamePasskey } from './passkeys.ts'
import type { PasskeyTools } from './passkeys.ts'

export interface PasskeyOptions extends Pick<PasskeyTools, 'database' | 'party'> {
  issuer: Issuer
  keys: AuthKeys & FactorKeys
  rules: SignInRules
  pages: Pages
}

/** With the first second factor come recovery codes. */
const AddedPasskey = Type.Object(
  { ...Passkey.properties, recovery_codes: Type.Optional(RecoveryCodes) },
  { title: 'AddedPasskey' },
)

/** Requests a minute from one address, where somebody is about to sign in. */
const TRIES = 10

export function passkeyRoutes(app: App, { database, party, issuer, keys, rules, pages }: PasskeyOptions): void {
  const tools: PasskeyTools = { database, party, key: keys.oneTime }
  const tags = ['Passkeys']
  signInRoutes(app, { tools, tags, issuer, rules })

  app.post(
    '/auth/passkeys/registration-options',
    {
      access: 'session',
      stepUp: true,
      secret: true,
      problems: ['too-many-passkeys', 'passkeys-unavailable'],
      schema: {
        operationId: 'beginPasskey',
        summary: 'Get what a browser needs to make a passkey',
        description: 'For `navigator.credentials.create()`. Good for five minutes, once.',
        tags,
        response: { 200: RegistrationOptions },
      },
    },
    ({ actor }) => beginPasskey(tools, actor.scope, actor),
  )

  app.post(
    '/auth/passkeys',
    {
      access: 'session',
      secret: true,
      tagged: true,
      problems: ['invalid-token', 'passkey-taken', 'step-up-required', 'too-many-passkeys', 'passkeys-unavailable'],
      schema: {
        operationId: 'addPasskey',
        summary: 'Add the passkey that the browser has made',
        tags,
        body: NewPasskey,
        response: { 201: AddedPasskey },
      },
    },
    async (request, reply) => {
      const { actor } = request
      const passkey = await addPasskey(tools, keys, actor.scope, actor, request.body)
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
        summary: "List one's own passkeys",
        tags,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Passkey) },
      },
    },
    request => database.system.run(request.actor.scope, listPasskeys(pages.open(request))),
  )

  app.get(
    '/auth/passkeys/:id',
    {
      access: 'session',
      tagged: true,
      schema: {
        operationId: 'getPasskey',
        summary: "Read one of one's own passkeys",
        tags,
        params: IdParams,
        response: { 200: Passkey },
      },
    },
    async (request, reply) => {
      const passkey = await database.system.run(request.actor.scope, getPasskey(request.params.id))
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
        summary: 'Give a passkey another name',
        tags,
        params: IdParams,
        body: PasskeyName,
        response: { 200: Passkey },
      },
      handler: async (request, reply) => {
        const { actor, params, body } = request
        const condition = conditionOf(request, params.id)
        const passkey = await database.system.transaction(actor.scope, transaction =>
          renamePasskey(transaction, actor, params.id, body.name, condition),
        )
        return sendTagged(reply, passkey.id, passkey)
      },
    })
  }

  app.delete(
    '/auth/passkeys/:id',
    {
      access: 'session',
      stepUp: true,
      tagged: true,
      problems: ['last-way-in'],
      schema: {
        operationId: 'removePasskey',
        summary: 'Remove a passkey',
        tags,
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, params } = request
      const condition = conditionOf(request, params.id)
      await database.system.transaction(actor.scope, transaction =>
        removePasskey(transaction, actor, params.id, condition),
      )
      return reply.code(204).send(null)
    },
  )
}

interface SignInOptions extends Pick<PasskeyOptions, 'issuer' | 'rules'> {
  tools: PasskeyTools
  tags: readonly string[]
}

function signInRoutes(app: App, { tools, tags, issuer, rules }: SignInOptions): void {
  const isPublic = { access: 'public', secret: true, perMinute: TRIES } as const
  const response = { 200: AuthenticationOptions }

  app.post(
    '/auth/passkeys/authentication-options',
    {
      ...isPublic,
      problems: ['passkeys-unavailable'],
      schema: {
        operationId: 'challengePasskey',
        summary: 'Get what a browser needs to sign in with a passkey',
        description: 'For `navigator.credentials.get()`; the same for everybody. Good for five minutes, once.',
        tags,
        response,
      },
    },
    request => challengePasskey(tools, originOf(request)),
  )

  app.post(
    '/auth/passkeys/login',
    {
      ...isPublic,
      problems: ['invalid-token', 'invalid-passkey', 'invalid-credentials', 'email-unverified', 'passkeys-unavailable'],
      schema: {
        operationId: 'logInByPasskey',
        summary: 'Sign in with a passkey, without a name',
        description: 'A passkey is two factors: it is never followed by `mfa-required`.',
        tags,
        body: PasskeyLogin,
        response: { 200: SignedInAnswer },
      },
    },
    async (request, reply) => {
      const { device_token, ...answer } = request.body
      const device_id = issuer.readDevice(request, device_token)
      return issuer.answer(reply, await logInByPasskey(tools, rules, originOf(request), { ...answer, device_id }))
    },
  )

  app.post(
    '/auth/mfa/passkey-options',
    {
      ...isPublic,
      problems: ['invalid-token', 'passkeys-unavailable'],
      schema: {
        operationId: 'challengeSecondFactor',
        summary: 'Get what a browser needs to finish a sign-in with a passkey',
        tags,
        body: Strict({ mfa_token: MfaToken }),
        response,
      },
    },
    request => challengeSecondFactor(tools, originOf(request), request.body.mfa_token),
  )

  app.post(
    '/auth/step-up/passkey-options',
    {
      access: 'session',
      secret: true,
      perMinute: TRIES,
      problems: ['passkeys-unavailable'],
      schema: {
        operationId: 'challengeStepUp',
        summary: 'Get what a browser needs to prove again, with a passkey, who one is',
        tags,
        response,
      },
    },
    async ({ actor }) => {
      await actor.run(requireSession)
      return challengePasskey(tools, actor.scope.origin, actor.user_id)
    },
  )
}
