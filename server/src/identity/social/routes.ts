import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { TRIES_PER_MINUTE } from '../../platform/http/route.ts'
import type { App } from '../../platform/http/route.ts'
import { invalidField, isProblem, Problem } from '../../platform/problems.ts'
import { IdParams, PageQueryOf, PageSchema } from '../../platform/schemas.ts'
import { createNotices } from '../../platform/pages/notice.ts'
import { sentMethodOf } from '../../platform/server/head.ts'
import type { Services } from '../../platform/services.ts'
import { Identity, listIdentities } from '../accounts/identities.ts'
import { ProofBody, proofProblems } from '../proofs/messages.ts'
import type { ProofServices } from '../proofs/proof.ts'
import { SignedInAnswer } from '../sign-in/messages.ts'
import { createBrowserCookie, digest, newBrowserSecret } from '../accounts/browser-cookie.ts'
import { exchangeCode, issueCode, socialCodeToken } from './codes.ts'
import { signUpToken } from '../sign-up/sign-up.ts'
import { addParameter, beginFlow, findFlow, isAllowedRedirect, recallFlow, socialToken } from './flows.ts'
import type { FlowPlan, FoundFlow, Link } from './flows.ts'
import * as messages from './messages.ts'
import { endFailedFlow } from './pages.ts'
import { createProviders } from './providers.ts'
import type { Provider } from './providers.ts'
import { addIdentity, removeIdentity, signInWithProvider } from './social.ts'

type SocialServices = ProofServices &
  Pick<Services, 'config' | 'cursors' | 'declared' | 'issuer' | 'keys' | 'log' | 'signInRules'>

/**
 * Sign-in with an account at a provider. The paths also exist at `/oauth` (platform/server/legacy.ts), where providers
 * redirect browsers to.
 */
export function socialRoutes(app: App, services: SocialServices): void {
  const { config, cursors, issuer } = services
  const { publicUrl, social } = config
  const providers = createProviders(social, config)
  const cookie = createBrowserCookie(publicUrl)
  const tags = ['Social sign-in']
  const rules = { access: 'public', noStore: true, perMinute: 30 } as const
  const browsed = { ...rules, browsed: true } as const
  const notices = createNotices(config)
  const beginning = ['not-found', 'provider-failed'] as const
  const arriving = [
    'invalid-token',
    'browser-unknown',
    'provider-refused',
    'provider-failed',
    'provider-email-missing',
    'link-required',
    'account-closed',
    'email-unverified',
    'mfa-required',
  ] as const

  function getProvider(name: string): Provider {
    const provider = providers.get(name)
    if (provider === undefined) throw new Problem('not-found')
    return provider
  }

  function checkRedirect(address: string | undefined, pointer: string): string | undefined {
    if (address !== undefined && !isAllowedRedirect(address, social.redirectOrigins))
      throw invalidField(pointer, 'must begin with the origin of FRONTEND_URL or one of SOCIAL_REDIRECTS')
    return address
  }

  /**
   * The redirect to the provider, and the cookie that identifies the browser on return. An existing secret of the
   * browser is kept.
   */
  async function begin(
    { headers, visitor }: Pick<FastifyRequest, 'headers' | 'visitor'>,
    provider: Provider,
    plan: FlowPlan,
    link?: Link,
  ): Promise<{ url: string; setCookie: string }> {
    const browser = cookie.read(headers.cookie) ?? newBrowserSecret()
    const url = await beginFlow(visitor, services, provider, browser, plan, link)
    return { url, setCookie: cookie.write(browser, socialToken.seconds + socialCodeToken.seconds) }
  }

  app.get(
    '/oauth/providers',
    {
      access: 'public',
      schema: {
        operationId: 'listProviders',
        summary: 'List sign-in providers',
        tags,
        response: { 200: messages.ProviderList },
      },
    },
    async () => ({
      items: [...providers.keys()].map(name => ({ name, initiate_url: `${publicUrl}/oauth/${name}/initiate` })),
    }),
  )

  app.get(
    '/oauth/:provider/initiate',
    {
      ...browsed,
      problems: beginning,
      schema: {
        operationId: 'initiateSocialSignIn',
        summary: 'Begin a sign-in with a provider',
        description:
          'For browsers: redirects to the provider, which redirects to the callback. If the provider fails, redirects to `redirect_to` with `error`.',
        tags,
        params: messages.ProviderParams,
        querystring: messages.InitiateQuery,
        response: { 302: messages.Redirect },
      },
    },
    async (request, reply) => {
      const provider = getProvider(request.params.provider)
      const { redirect_to, code_challenge } = request.query
      checkRedirect(redirect_to, '?redirect_to')
      try {
        const { url, setCookie } = await begin(request, provider, { redirect_to, code_challenge })
        return reply.header('set-cookie', setCookie).redirect(url)
      } catch (error) {
        return endFailedFlow(request, reply, services, notices, error, { redirect_to, retry: request.originalUrl })
      }
    },
  )

  app.get(
    '/oauth/:provider/callback',
    {
      ...browsed,
      problems: [...arriving, 'identity-taken'],
      schema: {
        operationId: 'endSocialSignIn',
        summary: 'Finish a sign-in with a provider',
        description:
          'The provider redirects the browser here; it must be the browser that began. With `redirect_to` the browser is redirected there, with `code` for `POST /api/v1/oauth/exchange`, `linked`, or the code of a problem as `error`, also when the flow has expired; without it, the result is in this response, and a failure is a page if the request accepts HTML. HEAD ends no flow.',
        tags,
        params: messages.ProviderParams,
        querystring: messages.CallbackQuery,
        response: { 200: SignedInAnswer, 201: Identity, 302: messages.Redirect },
      },
    },
    async (request, reply) => {
      const { visitor, query } = request
      const provider = getProvider(request.params.provider)
      const browser = cookie.read(request.headers.cookie)
      const initiate = `${publicUrl}/oauth/${provider.name}/initiate`
      let flow: FoundFlow
      try {
        flow = await findFlow(visitor, services, provider, query.state, browser)
        // Only what was really opened in a browser ends the flow.
        if (sentMethodOf(request.raw) === 'HEAD') return reply.serializer(() => '').send(null as never)
        await flow.end()
      } catch (error) {
        const plan = await recallFlow(visitor, services, provider, query.state)
        const retry = (plan === undefined ? config.frontendUrl === undefined : !plan.isLink) ? initiate : undefined
        return endFailedFlow(request, reply, services, notices, error, { redirect_to: plan?.redirect_to, retry })
      }
      const receive = async () => ({
        provider: provider.name,
        browser: browser && digest(browser),
        profile: await provider.receive(request.url.slice(request.url.indexOf('?') + 1), flow.secrets),
      })
      const { redirect_to, link } = flow
      try {
        if (redirect_to === undefined) {
          if (link !== undefined)
            return reply.code(201).send(await addIdentity(visitor, services, link, await receive()))
          const device_id = issuer.readDevice(request)
          return issuer.answer(reply, await signInWithProvider(visitor, services, await receive(), device_id))
        }
        if (link === undefined) {
          const bound = { browser: browser as string, code_challenge: flow.code_challenge }
          const code = await issueCode(visitor, services, await receive(), bound)
          return reply.redirect(addParameter(redirect_to, 'code', code))
        }
        await addIdentity(visitor, services, link, await receive())
        return reply.redirect(addParameter(redirect_to, 'linked', provider.name))
      } catch (error) {
        // The link in the email that follows links the provider only in this browser.
        if (isProblem(error, 'email-unverified'))
          reply.header('set-cookie', cookie.write(browser as string, signUpToken.seconds))
        const retry = link === undefined ? initiate : undefined
        return endFailedFlow(request, reply, services, notices, error, { redirect_to, retry })
      }
    },
  )

  app.post(
    '/oauth/exchange',
    {
      ...rules,
      problems: ['invalid-token', 'browser-unknown', 'account-closed', 'email-unverified', 'mfa-required'],
      schema: {
        operationId: 'exchangeSocialCode',
        summary: 'Exchange the code of a callback for a session',
        description:
          'Possible once within a minute, with the cookie of the browser that began, and with `code_verifier` if it began with a `code_challenge`. A second use of a code revokes the session that it created.',
        tags,
        body: messages.ExchangeBody,
        response: { 200: SignedInAnswer },
      },
    },
    async (request, reply) => {
      const { code, code_verifier, device_token } = request.body
      const browser = cookie.read(request.headers.cookie)
      const device_id = issuer.readDevice(request, device_token)
      const exchange = { code, code_verifier, browser, device_id }
      return issuer.answer(reply, await exchangeCode(request.visitor, services, exchange))
    },
  )

  app.post(
    '/oauth/:provider/link',
    {
      access: 'session',
      noStore: true,
      perMinute: TRIES_PER_MINUTE,
      problems: [...beginning, ...proofProblems],
      schema: {
        operationId: 'linkIdentity',
        summary: 'Begin to link a provider',
        description:
          'The cookie of the response must reach the browser that is then redirected to `authorization_url`.',
        tags,
        params: messages.ProviderParams,
        body: messages.LinkBody,
        response: { 200: messages.LinkBegun },
      },
    },
    async (request, reply) => {
      const provider = getProvider(request.params.provider)
      const redirect_to = checkRedirect(request.body?.redirect_to, '/redirect_to')
      const link = { session: request.actor, proof: request.body?.proof }
      const { url, setCookie } = await begin(request, provider, { redirect_to }, link)
      reply.header('set-cookie', setCookie)
      return { authorization_url: url }
    },
  )

  app.get(
    '/oauth/identities',
    {
      access: 'session',
      schema: {
        operationId: 'listIdentities',
        summary: 'List linked identities',
        tags,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Identity) },
      },
    },
    request => request.actor.account.run(listIdentities(cursors.open(request))),
  )

  app.delete(
    '/oauth/identities/:id',
    {
      access: 'session',
      perMinute: TRIES_PER_MINUTE,
      problems: [...proofProblems, 'last-way-in'],
      schema: {
        operationId: 'unlinkIdentity',
        summary: 'Unlink an identity',
        tags,
        params: IdParams,
        body: ProofBody,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await removeIdentity(request.visitor, services, request.actor, request.params.id, request.body?.proof)
      return reply.code(204).send(null)
    },
  )
}
