import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { signId } from '../../platform/crypto/sealing.ts'
import type { AccessTokens } from '../../platform/gate/access-tokens.ts'
import type { RoleName } from '../../platform/gate/permissions.ts'
import { Problem } from '../../platform/problems.ts'
import type { Keys } from '../../platform/services.ts'
import { sealToken } from '../../platform/tokens/one-time-tokens.ts'
import { passwordChangeToken } from '../passwords/required-change.ts'
import { readDevice, writeDeviceCookie } from '../devices/device-cookie.ts'
import type { AccessToken, SignedInAnswer } from './messages.ts'
import { sealRefreshToken } from './refresh-token.ts'
import { mfaToken } from './sign-in.ts'
import type { SignInOutcome } from './sign-in.ts'

/**
 * Proxies accept headers of 8 KiB, and the entitlements are a part of one. Beyond this the token is without them, and clients
 * read the limits of the organization. Characters.
 */
const MAX_ENTITLEMENTS = 4000

/** Turns the result of a sign-in into the tokens and response for the client. */
export interface Issuer {
  accessToken(
    user: { id: string; email: string },
    session: { id: string; auth_time: number },
    organization?: { id: string; role: RoleName; entitlements: readonly string[] },
    seconds?: number,
  ): Static<typeof AccessToken>
  /**
   * Also sets the device cookie. `seconds`: the lifetime of the access token, by default that of the configuration.
   * @throws Problem mfa-required, carrying the token and the methods that finish the
   * sign-in; password-change-required, carrying the token that sets a new password
   */
  answer(reply: FastifyReply, signedIn: SignInOutcome, seconds?: number): Static<typeof SignedInAnswer>
  /** The id in the device token, from the body or the cookie. It can belong to any user. */
  readDevice(request: FastifyRequest, token?: string): string | undefined
}

const isListed = (entitlements: readonly string[]): boolean =>
  entitlements.length > 0 && JSON.stringify(entitlements).length <= MAX_ENTITLEMENTS

export function createIssuer(
  tokens: AccessTokens,
  keys: Pick<Keys, 'oneTime' | 'device' | 'refresh'>,
  accessTokenSeconds: number,
): Issuer {
  const accessToken: Issuer['accessToken'] = (user, session, organization, seconds = accessTokenSeconds) => ({
    access_token: tokens.sign(
      {
        sub: user.id,
        jti: randomUUID(),
        sid: session.id,
        auth_time: session.auth_time,
        email: user.email,
        user_id: user.id,
        ...(organization && { organization_id: organization.id, tenant_id: organization.id, role: organization.role }),
        ...(organization && isListed(organization.entitlements) && { entitlements: organization.entitlements }),
      },
      seconds,
    ),
    token_type: 'bearer',
    expires_in: seconds,
  })
  return {
    accessToken,
    readDevice: (request, token) => readDevice(keys.device, request.headers.cookie, token),
    answer: (reply, result, seconds) => {
      if (result.outcome === 'second-factor-needed') {
        const mfa_token = sealToken(keys.oneTime, mfaToken, result.token_id)
        throw new Problem('mfa-required', { extension: { mfa_token, methods: result.methods } })
      }
      if (result.outcome === 'password-change-needed') {
        const password_change_token = sealToken(keys.oneTime, passwordChangeToken, result.token_id)
        throw new Problem('password-change-required', { extension: { password_change_token } })
      }
      const { user, organization, counts, session, device_id } = result
      const device_token = device_id === undefined ? undefined : signId(keys.device, 'device', device_id)
      if (device_token !== undefined) reply.header('set-cookie', writeDeviceCookie(device_token))
      return {
        user,
        organization: organization ?? null,
        ...counts,
        ...accessToken(user, session, organization, seconds),
        refresh_token: sealRefreshToken(keys.refresh, { session_id: session.id, generation: session.generation }),
        ...(device_token !== undefined && { device_token }),
      }
    },
  }
}
