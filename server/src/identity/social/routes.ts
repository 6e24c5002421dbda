import { Type } from 'typebox'
import { SignedInAnswer } from '../sign-in/sign-in.ts'
import type { Issuer } from '../sign-in/sign-in.ts'
import type { SocialConfig } from '../../config/social.ts'
import { tokenLives } from '../../platform/tokens/one-time-tokens.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import { IdParams, PageQueryOf, PageSchema } from '../../platform/schemas.ts'
import type { Pages } from '../../platform/http/cursors.ts'
import type { App } from '../../platform/http/route.ts'
import { originOf } from '../../platform/http/route.ts'
import { createBrowserCookie, newBrowserSecret } from './browser-cookie.ts'
import { addParameter, beginFlow, endFlow, isAllowedRedirect } from './flows.ts'
import type { FlowPlan } from './flows.ts'
import { Identity, listIdentities } from './identities.ts'
import * as messages from './messages.ts'
import { createProviders } from './providers.ts'
import type { Provider } from './providers.ts'
import { addIdentity, exchangeCode, issueCode, removeIdentity, signInBy } from './social.ts'
import type { SocialTools } from './social.ts'

export interface SocialOptions extends SocialTools, SocialConfig {
  publicUrl: string
  issuer: Issuer
  pages: Pages
}

/** Sign-in with an account elsewhere. The paths stand at `/oauth` as well (platform/http/legacy.ts), where providers send browsers back to. */
export function socialRoutes(app: App, options: SocialOptions): void {
  const { publicUrl, redirectOrigins, issuer, pages, ...tools } = options
  const providers = createProviders(options, publicUrl)
  const cookie = createBrowserCookie(publicUrl)
  const tags = ['Social sign-in']
  const rules = { access: 'public', secret: true, perMinute: 30 } as const
  const beginning = ['not-found', 'provider-failed'] as const
  const arriving = [
    'invalid-token',
    'browser-unknown',
    'provider-refused',
    'provider-failed',
    'provider-email-missing',
    'link-required',
    'email-unverified',
    'mfa-required',
  ] as const

  function getProvider(name: string): Provider {
    const provider = providers.get(name)
    if (provider === undefined) throw new Problem('not-found')
    return provider
  }

  function checkRedirect(address: string | undefined, pointer: string): string | undefined {
    if (address !== undefined && !isAllowedRedirect(address, redirectOrigins))
      throw invalidField(pointer, 'must begin with the origin of FRONTEND_URL or one of SOCIAL_REDIRECTS')
    return address
  }

  /** Where the browser goes now, and the cookie by which it is known when it comes back. A browser keeps its secret while it has one. */
  async function begin(
    request: Parameters<typeof originOf>[0],
    provider: Provider,
    plan: FlowPlan,
  ): Promise<{ url: string; setCookie: string }> {
    const browser = cookie.read(request.headers.cookie) ?? newBrowserSecret()
    const url = await beginFlow(tools, originOf(request), provider, browser, plan)
    return { url, setCookie: cookie.write(browser, tokenLives.social + tokenLives['social-code']) }
  }

  app.get(
    '/oauth/providers',
    {
      access: 'public',
      schema: {
        operationId: 'listProviders',
        summary: 'List the providers that people may sign in with',
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
      ...rules,
      problems: beginning,
      schema: {
        operationId: 'initiateSocialSignIn',
        summary: 'Begin a sign-in with a provider',
        description: 'For a browser: it is led to the provider, and from there to the callback.',
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
      const { url, setCookie } = await begin(request, provider, { redirect_to, code_challenge })
      return reply.header('set-cookie', setCookie).redirect(url)
    },
  )

  app.get(
    '/oauth/:provider/callback',
    {
      ...rules,
      problems: [...arriving, 'identity-taken'],
      schema: {
        operationId: 'endSocialSignIn',
        summary: 'Come back from a provider',
        description:
          'Only in the browser that began. With `redirect_to` it is led there, with `code` for `POST /api/v1/oauth/exchange`, `linked`, or the code of a problem as `error`; without, the answer is here.',
        tags,
        params: messages.ProviderParams,
        querystring: messages.CallbackQuery,
        response: { 200: SignedInAnswer, 201: Identity, 302: messages.Redirect },
      },
    },
    async (request, reply) => {
      const provider = getProvider(request.params.provider)
      const origin = originOf(request)
      const browser = cookie.read(request.headers.cookie)
      const flow = await endFlow(tools, origin, provider, request.query.state, browser)
      const receive = async () => ({
        provider: provider.name,
        profile: await provider.receive(request.url.slice(request.url.indexOf('?') + 1), flow.secrets),
      })
      const { redirect_to, link } = flow
      if (redirect_to === undefined) {
        if (link !== undefined)
          return reply.code(201).send(await addIdentity(tools.database, origin, link, await receive()))
        return issuer.answer(reply, await signInBy(tools, origin, await receive(), issuer.readDevice(request)))
      }
      try {
        if (link === undefined) {
          const bound = { browser: browser as string, code_challenge: flow.code_challenge }
          return reply.redirect(
            addParameter(redirect_to, 'code', await issueCode(tools, origin, await receive(), bound)),
          )
        }
        await addIdentity(tools.database, origin, link, await receive())
        return reply.redirect(addParameter(redirect_to, 'linked', provider.name))
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        if (error.cause !== undefined) request.log.warn({ err: error.cause }, error.code)
        return reply.redirect(addParameter(redirect_to, 'error', error.code))
      }
    },
  )

  app.post(
    '/oauth/exchange',
    {
      ...rules,
      problems: ['invalid-token', 'browser-unknown', 'link-required', 'email-unverified', 'mfa-required'],
      schema: {
        operationId: 'exchangeSocialCode',
        summary: 'Sign in with the code that the browser came back with',
        description:
          'Within a minute, once, with the cookie of the browser or the `code_verifier`. A code that comes twice ends the session that it has made.',
        tags,
        body: messages.ExchangeBody,
        response: { 200: SignedInAnswer },
      },
    },
    async (request, reply) => {
      const { code, code_verifier, device_token } = request.body
      const browser = cookie.read(request.headers.cookie)
      const device_id = issuer.readDevice(request, device_token)
      return issuer.answer(
        reply,
        await exchangeCode(tools, originOf(request), { code, code_verifier, browser, device_id }),
      )
    },
  )

  app.post(
    '/oauth/:provider/link',
    {
      access: 'session',
      stepUp: true,
      secret: true,
      problems: beginning,
      schema: {
        operationId: 'linkIdentity',
        summary: 'Begin to add a provider to one’s account',
        description: 'The cookie of the answer must reach the browser that is then led to `authorization_url`.',
        tags,
        params: messages.ProviderParams,
        body: messages.LinkBody,
        response: { 200: messages.LinkBegun },
      },
    },
    async (request, reply) => {
      const provider = getProvider(request.params.provider)
      const redirect_to = checkRedirect(request.body?.redirect_to, '/redirect_to')
      const { user_id, session_id } = request.actor
      const { url, setCookie } = await begin(request, provider, { redirect_to, link: { user_id, session_id } })
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
        summary: 'List the accounts elsewhere that one signs in with',
        tags,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Identity) },
      },
    },
    request => request.actor.run(listIdentities(pages.open(request))),
  )

  app.delete(
    '/oauth/identities/:id',
    {
      access: 'session',
      stepUp: true,
      problems: ['last-way-in'],
      schema: {
        operationId: 'unlinkIdentity',
        summary: 'Remove an account elsewhere from one’s own',
        tags,
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await removeIdentity(tools.database, originOf(request), request.actor, request.params.id)
      return reply.code(204).send(null)
    },
  )
}
