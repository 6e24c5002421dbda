import { Type } from 'typebox'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { Strict, Token } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { AuthenticationOptions } from '../passkeys/messages.ts'
import { Undo, UndoableChange } from './messages.ts'
import { challengeUndo, describeChange, listChangesByReset, undoChange } from './undo.ts'

const rules = { access: 'public', noStore: true, perMinute: TRIES_PER_MINUTE } as const
const tags = ['Authentication']

/** The routes to undo a change of a sign-in method, by the link in the email about it. */
export function undoRoutes(
  app: App,
  services: Pick<Services, 'declared' | 'factorVerifiers' | 'keys' | 'relyingParty'>,
): void {
  app.post(
    '/auth/undo',
    {
      ...rules,
      problems: [
        'invalid-token',
        'invalid-code',
        'invalid-passkey',
        'user-not-verified',
        'email-taken',
        'totp-enrolled',
        'passkeys-unavailable',
      ],
      schema: {
        operationId: 'undoChange',
        summary: 'Undo a change of a sign-in method',
        description:
          'Takes the token from the email about the change, valid for seven days and one use. Reverts exactly that change, revokes ' +
          'all sessions and devices, and creates no session. A changed password becomes invalid, and the account needs a reset. ' +
          'If the account had another second factor before the change, `proof` is required.',
        tags,
        body: Undo,
        response: { 204: Type.Null() },
      },
    },
    async ({ visitor, body }, reply) => {
      await undoChange(visitor, services, body.token, body.proof)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/auth/undo/preview',
    {
      ...rules,
      problems: ['invalid-token'],
      schema: {
        operationId: 'describeChange',
        summary: 'Get the change that a token undoes',
        description: 'It changes nothing, and the token stays valid.',
        tags,
        body: Strict({ token: Token }),
        response: { 200: UndoableChange },
      },
    },
    ({ visitor, body }) => describeChange(visitor, services, body.token),
  )

  app.post(
    '/auth/undo/passkey-options',
    {
      ...rules,
      problems: ['invalid-token', 'passkeys-unavailable'],
      schema: {
        operationId: 'challengeUndo',
        summary: 'Get the options for undoing a change with a passkey',
        tags: ['Passkeys'],
        body: Strict({ token: Token }),
        response: { 200: AuthenticationOptions },
      },
    },
    ({ visitor, body }) => challengeUndo(visitor, services, body.token),
  )

  app.post(
    '/auth/password-reset/changes',
    {
      ...rules,
      problems: ['invalid-token'],
      schema: {
        operationId: 'listUndoableChanges',
        summary: 'List the recent changes that the holder of a reset token can undo',
        description:
          'Changes of sign-in methods from the last seven days, the newest first. The reset itself undoes none of them; ' +
          '`POST /api/v1/auth/undo` takes the token of each. The token of the reset stays valid.',
        tags,
        body: Strict({ token: Token }),
        response: {
          200: Type.Object({ items: Type.Array(UndoableChange, { maxItems: 100 }) }, { title: 'UndoableChanges' }),
        },
      },
    },
    async ({ visitor, body }) => ({ items: await listChangesByReset(visitor, services, body.token) }),
  )
}
