import { Type } from 'typebox'
import type { TSchema } from 'typebox'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  License,
  LicenseChanges,
  licenseFilters,
  LicenseReplacement,
  operatorFilters,
  OperatorLicense,
} from './messages.ts'
import { deleteLicense, getAnyLicense, getLicense, listAllLicenses, listLicenses, updateLicense } from './licenses.ts'

export const tags = ['Licenses']
export const single = { params: Strict({ id: IdOf('license') }), tags }

/** The licenses of the current organization, for its administrators. */
export function licenseRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/licenses',
    {
      access: 'licenses:read',
      schema: {
        operationId: 'listLicenses',
        summary: 'List licenses',
        tags,
        querystring: PageQueryOf(licenseFilters),
        response: { 200: PageSchema(License) },
      },
    },
    request => request.actor.run(listLicenses(request.actor.organization_id, request.query, cursors.open(request))),
  )

  app.get(
    '/licenses/:id',
    {
      access: 'licenses:read',
      tagged: true,
      schema: { ...single, operationId: 'getLicense', summary: 'Get a license', response: { 200: License } },
    },
    async ({ actor, params: { id } }, reply) =>
      sendTagged(reply, id, await actor.run(getLicense(actor.organization_id, id))),
  )
}

/** The licenses of all organizations, for operators. */
export function operatorLicenseRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/admin/licenses',
    {
      access: 'admin:licenses:read',
      schema: {
        operationId: 'listAllLicenses',
        summary: 'List the licenses of all organizations',
        tags,
        querystring: PageQueryOf(operatorFilters),
        response: { 200: PageSchema(OperatorLicense) },
      },
    },
    request => request.operator.run(listAllLicenses(request.query, cursors.open(request))),
  )

  app.get(
    '/admin/licenses/:id',
    {
      access: 'admin:licenses:read',
      tagged: true,
      schema: {
        ...single,
        operationId: 'getAnyLicense',
        summary: 'Get a license of any organization',
        response: { 200: OperatorLicense },
      },
    },
    async ({ operator, params: { id } }, reply) => sendTagged(reply, id, await operator.run(getAnyLicense(id))),
  )

  for (const [method, verb, body, resets] of [
    ['PATCH', 'update', LicenseChanges, {}],
    ['PUT', 'replace', LicenseReplacement, { name: null, metadata: {} }],
  ] as const) {
    app.route({
      method,
      url: '/licenses/:id',
      access: 'admin:licenses:write',
      tagged: true,
      schema: {
        ...single,
        operationId: `${verb}License`,
        summary: `${verb === 'update' ? 'Update' : 'Replace'} what is noted about a license`,
        body: body as TSchema,
        response: { 200: OperatorLicense },
      },
      handler: async (request, reply) => {
        const { operator, params } = request
        const { organization_id, id } = await operator.lookUp(getAnyLicense(params.id))
        const changes = { ...resets, ...(request.body as typeof resets) }
        const how = { replaces: method === 'PUT', condition: conditionOf(request, id) }
        const changed = await operator
          .on({ entity_type: 'licenses', entity_id: id })
          .within(organization_id)
          .transaction(async transaction => {
            await transaction.run(updateLicense(organization_id, id, changes, how))
            return transaction.run(getLicense(organization_id, id))
          })
        return sendTagged(reply, id, changed)
      },
    })
  }

  app.delete(
    '/licenses/:id',
    {
      access: 'admin:licenses:write',
      tagged: true,
      schema: {
        ...single,
        operationId: 'deleteLicense',
        summary: 'Delete a license',
        description: 'With its activations. To end a license and keep it on record, revoke it.',
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { operator, params } = request
      const { organization_id, id } = await operator.lookUp(getAnyLicense(params.id))
      await operator
        .on({ entity_type: 'licenses', entity_id: id })
        .within(organization_id)
        .run(deleteLicense(organization_id, id, conditionOf(request, id)))
      return reply.code(204).send(null)
    },
  )
}
