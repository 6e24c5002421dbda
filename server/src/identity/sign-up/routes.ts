import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { preferredLocale } from '../../platform/locales.ts'
import { invalidField } from '../../platform/problems.ts'
import { Accepted } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { SignedInAnswer } from '../sign-in/messages.ts'
import { enrol } from './enrol.ts'
import { Registration, Signup } from './messages.ts'
import type { Enrolment } from './sign-up.ts'

const tags = ['Authentication']
const response = { 201: SignedInAnswer, 202: Accepted }
const description =
  'Responds 201 with tokens if addresses may be verified later. If they must be verified first, it responds 202 whether ' +
  'the address has an account or not, and reserves nothing: the link in the email creates the account, with the password that is ' +
  'chosen there; a password that is sent here is only checked.'

export function signUpRoutes(
  app: App,
  services: Pick<Services, 'keys' | 'declared' | 'issuer' | 'passwords' | 'passwordPolicy' | 'signInRules'>,
): void {
  const { issuer } = services
  const routeRules = { access: 'public', noStore: true, perMinute: TRIES_PER_MINUTE } as const

  async function answer(
    request: FastifyRequest,
    reply: FastifyReply,
    registration: Static<typeof Registration>,
    organization?: Enrolment['organization'],
  ) {
    const locale = preferredLocale(request.headers['accept-language'])
    const signedIn = await enrol(request.visitor, services, registration, { organization, locale })
    return signedIn === undefined
      ? reply.code(202).send({ status: 'accepted' as const })
      : reply.code(201).send(issuer.answer(reply, signedIn))
  }

  app.post(
    '/auth/signup',
    {
      ...routeRules,
      problems: ['email-taken', 'username-taken', 'organization-slug-taken', 'weak-password'],
      schema: {
        operationId: 'signUp',
        summary: 'Sign up, with or without an organization',
        description,
        tags,
        body: Signup,
        response,
      },
    },
    (request, reply) => {
      const { organization_name: name, organization_slug: slug, ...account } = request.body
      if (name === undefined && slug !== undefined)
        throw invalidField('/organization_name', 'is required with organization_slug')
      return answer(request, reply, account, name === undefined ? undefined : { name, slug })
    },
  )

  app.post(
    '/auth/register',
    {
      ...routeRules,
      problems: ['email-taken', 'username-taken', 'weak-password'],
      schema: {
        operationId: 'register',
        summary: 'Sign up with a personal organization',
        description,
        tags,
        body: Registration,
        response,
      },
    },
    (request, reply) => answer(request, reply, request.body),
  )
}
