import { Type } from 'typebox'
import type { Static } from 'typebox'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import { replacementOf } from '../../platform/http/resource.ts'
import type { App } from '../../platform/http/route.ts'
import { IdOf, OneOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  createLicensePlan,
  deleteLicensePlan,
  getLicensePlan,
  LicensePlan,
  LicensePlanChanges,
  listLicensePlans,
  NewLicensePlan,
  replaceLicensePlan,
  updateLicensePlan,
} from './license-plans.ts'

const tags = ['License plans']
const single = { params: Strict({ id: IdOf('license plan') }), tags }
const writes = { access: 'admin:license-plans:write', tagged: true } as const
const replacement = replacementOf(NewLicensePlan)

/** Every signed-in user reads the plans; operators write them. */
export function licensePlanRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/license-plans',
    {
      access: 'session',
      schema: {
        operationId: 'listLicensePlans',
        summary: 'List license plans',
        tags,
        querystring: PageQueryOf({
          sort: OneOf(['-created_at', 'created_at', 'name', '-name'], { default: '-created_at' }),
        }),
        response: { 200: PageSchema(LicensePlan) },
      },
    },
    request => request.actor.account.run(listLicensePlans(request.query, cursors.open(request))),
  )

  app.post(
    '/license-plans',
    {
      ...writes,
      problems: ['license-plan-code-taken'],
      schema: {
        operationId: 'createLicensePlan',
        summary: 'Create a license plan',
        tags,
        body: NewLicensePlan,
        response: { 201: LicensePlan },
      },
    },
    async ({ operator, body }, reply) => {
      const plan = await operator
        .on({ entity_type: 'license_plans', entity_id: ({ id }: { id: string }) => id, details: body })
        .run(createLicensePlan(body))
      reply.code(201).header('location', `/api/v1/license-plans/${plan.id}`)
      return sendTagged(reply, plan.id, plan)
    },
  )

  app.get(
    '/license-plans/:id',
    {
      access: 'session',
      tagged: true,
      schema: {
        ...single,
        operationId: 'getLicensePlan',
        summary: 'Get a license plan',
        response: { 200: LicensePlan },
      },
    },
    async ({ actor, params: { id } }, reply) => sendTagged(reply, id, await actor.account.run(getLicensePlan(id))),
  )

  for (const [method, verb, write, body, resets] of [
    ['PATCH', 'update', updateLicensePlan, LicensePlanChanges, {}],
    ['PUT', 'replace', replaceLicensePlan, replacement.schema, replacement.resets],
  ] as const) {
    app.route({
      method,
      url: '/license-plans/:id',
      ...writes,
      problems: ['license-plan-code-taken'],
      schema: {
        ...single,
        operationId: `${verb}LicensePlan`,
        summary: `${verb === 'update' ? 'Update' : 'Replace'} a license plan`,
        description:
          'Licenses that exist keep the terms that they have: a change reaches them when they are renewed or given the plan again. ' +
          'Organizations without a license follow the default plan at once.',
        body,
        response: { 200: LicensePlan },
      },
      handler: async (request, reply) => {
        const { id } = request.params
        const changes = { ...resets, ...(request.body as Static<typeof LicensePlanChanges>) }
        const plan = await request.operator
          .on({ entity_type: 'license_plans', entity_id: id, details: changes })
          .run(write(id, changes, conditionOf(request, id)))
        return sendTagged(reply, id, plan)
      },
    })
  }

  app.delete(
    '/license-plans/:id',
    {
      ...writes,
      problems: ['plan-in-use'],
      schema: {
        ...single,
        operationId: 'deleteLicensePlan',
        summary: 'Delete a license plan',
        description: 'Only if no license has it and it is not the default.',
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      await request.operator.run(deleteLicensePlan(id, conditionOf(request, id)))
      return reply.code(204).send(null)
    },
  )
}
