import type { App } from '../../platform/http/route.ts'
import { IdOf, Strict } from '../../platform/schemas.ts'
import { getLimits, Limits } from './limits.ts'

const tags = ['Limits']
const params = Strict({ id: IdOf('organization') })

/** The limits of the current organization, below `/organizations/{id}`. */
export function limitRoutes(app: App): void {
  app.get(
    '/limits',
    {
      access: 'organization:read',
      schema: {
        operationId: 'getLimits',
        summary: 'Get the limits and entitlements of the organization',
        tags,
        params,
        response: { 200: Limits },
      },
    },
    ({ actor }) => actor.run(getLimits),
  )
}

/** The same for operators. */
export function operatorLimitRoutes(app: App): void {
  app.get(
    '/admin/organizations/:id/limits',
    {
      access: 'admin:limits:read',
      schema: {
        operationId: 'getLimitsOfOrganization',
        summary: 'Get the limits and entitlements of an organization',
        tags,
        params,
        response: { 200: Limits },
      },
    },
    ({ operator, params: { id } }) => operator.within(id).run(getLimits),
  )
}
