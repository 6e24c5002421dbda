import { Type } from 'typebox'
import type { Static } from 'typebox'

/** The schemas of authenticator apps in requests and responses. */

export const TotpSeed = Type.Object(
  {
    secret: Type.String({
      maxLength: 64,
      description: 'The seed in Base32, to enter by hand.',
      examples: ['HKU53AJSZMQT3RDX6W5MU5BOE4DKZMNJ'],
    }),
    otpauth_uri: Type.String({
      maxLength: 4000,
      description: 'The seed as a link that authenticator apps open.',
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
export type TotpSeed = Static<typeof TotpSeed>
