import { Type } from 'typebox'
import { Id, Name, Strict } from '../../platform/schemas.ts'
import { Password } from '../passwords/password-policy.ts'
import { factorAnswer, factorKinds } from '../proofs/messages.ts'

/** The schemas of second-factor verification in requests and responses. */

export const SecondFactors = Type.Object(
  {
    totp: Type.Boolean({ description: 'Whether an authenticator app is enrolled.' }),
    passkeys: Type.Integer({ minimum: 0, maximum: 100 }),
    recovery_codes: Type.Integer({ minimum: 0, maximum: 100, description: 'How many are left.' }),
    second_factor_proved: Type.Boolean({ description: 'Whether this session has verified a second factor.' }),
    required_by: Type.Array(Type.Object({ id: Id, name: Name }), {
      maxItems: 10_000,
      description: "The current user's organizations that require a second factor.",
    }),
    trusted_device_days: Type.Integer({
      minimum: 0,
      maximum: 3650,
      description: 'How long a trusted device skips the second factor; 0: devices cannot be trusted.',
    }),
  },
  { title: 'SecondFactors' },
)

export const MfaToken = Type.String({ minLength: 1, maxLength: 200, description: 'From the problem `mfa-required`.' })

export const MfaAnswer = Strict(
  {
    mfa_token: MfaToken,
    ...factorAnswer,
    trust_device: Type.Optional(
      Type.Boolean({
        description:
          'Skip the second factor on this device from now on, for as long as the operator allows. The response contains its `device_token`.',
      }),
    ),
  },
  {
    title: 'MfaAnswer',
    'x-one-of': factorKinds,
    examples: [{ mfa_token: 'AZ-rJpZ0fGCfZYb0hQvR2m7k', code: '492039', trust_device: true }],
  },
)
export const StepUp = Strict(
  { password: Type.Optional(Password), ...factorAnswer },
  {
    title: 'StepUp',
    'x-one-of': ['password', ...factorKinds],
    examples: [{ password: 'SecureP@ss123' }],
  },
)
