import { Type } from 'typebox'
import { Strict } from '../../platform/schemas.ts'
import { Proof } from '../proofs/messages.ts'

/** The schemas of sign-in with a provider. */

const Address = Type.String({
  minLength: 1,
  maxLength: 2000,
  description:
    'Where the browser is redirected at the end; its origin is that of `FRONTEND_URL` or one of `SOCIAL_REDIRECTS`.',
  examples: ['https://app.example.com/signed-in'],
})

export const ProviderParams = Strict({
  provider: Type.String({ maxLength: 64, pattern: '^[a-z0-9][a-z0-9-]*$', examples: ['google'] }),
})

export const ProviderList = Type.Object(
  {
    items: Type.Array(
      Type.Object({
        name: ProviderParams.properties.provider,
        initiate_url: Type.String({ format: 'uri', maxLength: 2000, description: 'Redirect the browser there.' }),
      }),
      { maxItems: 100 },
    ),
  },
  { title: 'ProviderList' },
)

export const InitiateQuery = Strict({
  redirect_to: Type.Optional(Address),
  code_challenge: Type.Optional(
    Type.String({
      minLength: 43,
      maxLength: 43,
      pattern: '^[A-Za-z0-9_-]{43}$',
      examples: ['E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'],
      description:
        'SHA-256 of a secret of the front end, base64url (RFC 7636, S256). The exchange then asks for the secret as well as for the cookie.',
    }),
  ),
})

/** As providers send it, with any additional parameters. */
export const CallbackQuery = Type.Object({
  state: Type.Optional(Type.String({ maxLength: 1000 })),
  code: Type.Optional(Type.String({ maxLength: 4096 })),
  error: Type.Optional(Type.String({ maxLength: 1000 })),
  iss: Type.Optional(Type.String({ maxLength: 2000 })),
})

export const ExchangeBody = Strict(
  {
    code: Type.String({ minLength: 1, maxLength: 100 }),
    code_verifier: Type.Optional(
      Type.String({
        minLength: 43,
        maxLength: 128,
        pattern: '^[A-Za-z0-9._~-]+$',
        description: 'The secret that `code_challenge` was derived from.',
        examples: ['dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'],
      }),
    ),
    device_token: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  },
  { title: 'SocialExchange' },
)

export const LinkBody = Type.Union([
  Strict({ redirect_to: Type.Optional(Address), proof: Type.Optional(Proof) }, { title: 'SocialLink' }),
  Type.Null(),
])

export const LinkBegun = Type.Object(
  { authorization_url: Type.String({ format: 'uri', maxLength: 8000 }) },
  { title: 'SocialLinkBegun', description: 'Redirect the browser there.' },
)

/** A redirect of the browser. */
export const Redirect = Type.Null({ description: 'Redirects the browser' })
