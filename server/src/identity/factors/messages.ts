import { Type } from 'typebox'
import { Id, Name, Strict } from '../../platform/schemas.ts'
import { MfaToken, PasskeyAnswer } from '../passkeys/messages.ts'

/** What travels about second factors. */

export const Code = Type.String({
  pattern: '^[0-9]{3} ?[0-9]{3}$',
  maxLength: 7,
  description: 'Six digits, as the authenticator app shows them.',
  examples: ['492039'],
})
const RecoveryCode = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'In any case, with or without hyphens.',
  examples: ['7H2K-9QXW-4M0P-VT3R-E8NA-6C5D'],
})

export const SecondFactors = Type.Object(
  {
    totp: Type.Boolean({ description: 'Whether an authenticator app is enrolled.' }),
    passkeys: Type.Integer({ minimum: 0, maximum: 100 }),
    recovery_codes: Type.Integer({ minimum: 0, maximum: 100, description: 'How many are left.' }),
    second_factor_proved: Type.Boolean({ description: 'Whether this session has proved a second factor.' }),
    required_by: Type.Array(Type.Object({ id: Id, name: Name }), {
      maxItems: 10_000,
      description: 'The organizations of yours that demand one.',
    }),
    trusted_device_days: Type.Integer({
      minimum: 0,
      maximum: 3650,
      description: 'For how long a device that is trusted skips the second factor; 0: none is trusted.',
    }),
  },
  { title: 'SecondFactors' },
)

export const TotpSeed = Type.Object(
  {
    secret: Type.String({
      maxLength: 64,
      description: 'The seed in Base32, to type.',
      examples: ['HKU53AJSZMQT3RDX6W5MU5BOE4DKZMNJ'],
    }),
    otpauth_uri: Type.String({
      maxLength: 4000,
      description: 'The same as a link that authenticator apps open.',
      examples: ['otpauth://totp/Freehold:john%40example.com?secret=HKU53AJSZMQT3RDX6W5MU5BOE4DKZMNJ&issuer=Freehold'],
    }),
    qr_svg: Type.String({
      maxLength: 200_000,
      description: 'The link as a QR code: an SVG image without scripts.',
      examples: ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 228 228"/>'],
    }),
  },
  { title: 'TotpSeed' },
)

export const RecoveryCodes = Type.Array(RecoveryCode, {
  maxItems: 10,
  description: 'Ten codes, each good once in the place of a second factor. Shown this once.',
})

const answer = {
  code: Type.Optional(Code),
  recovery_code: Type.Optional(RecoveryCode),
  passkey: Type.Optional(PasskeyAnswer),
}
export const MfaAnswer = Strict(
  {
    mfa_token: MfaToken,
    ...answer,
    trust_device: Type.Optional(
      Type.Boolean({
        description:
          'Skip the second factor on this device from now on, as long as the operator allows. The answer carries its `device_token`.',
      }),
    ),
  },
  {
    title: 'MfaAnswer',
    description: 'One of `code`, `recovery_code` and `passkey` is the second factor.',
    examples: [{ mfa_token: 'AZ-rJpZ0fGCfZYb0hQvR2m7k', code: '492039', trust_device: true }],
  },
)
export const StepUp = Strict(
  { password: Type.Optional(Type.String({ minLength: 1, maxLength: 1024, format: 'password' })), ...answer },
  {
    title: 'StepUp',
    description: 'One of `password`, `code`, `recovery_code` and `passkey` is the proof.',
    examples: [{ password: 'SecureP@ss123' }],
  },
)
