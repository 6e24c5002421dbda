import type { Static, TObject } from 'typebox'
import { sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import type { Operator } from '../../platform/gate/actor.ts'
import { invalidField, isProblem } from '../../platform/problems.ts'
import type { ProblemCode } from '../../platform/problems.ts'
import { Strict } from '../../platform/schemas.ts'
import { extendTo, givePlan, steps, takeStep, transferLicense } from './license-life.ts'
import { createLicenseKey } from './license-key.ts'
import { createLicense, getAnyLicense } from './licenses.ts'
import {
  IssuedLicense,
  LicenseExtension,
  LicensePlanChoice,
  LicenseTransfer,
  NewLicense,
  OperatorLicense,
  Reason,
} from './messages.ts'
import { single, tags } from './routes.ts'

const writes = { access: 'admin:licenses:write', tagged: true } as const
const Because = Strict({ reason: Reason })

/** The steps without values of their own. */
const plainSteps = [
  ['issue', 'admin:licenses:write', 'Issue a draft', 'It becomes active, and the duration of its plan begins.'],
  [
    'suspend',
    'admin:licenses:write',
    'Suspend a license',
    'From the next request on it allows nothing, and no validation succeeds.',
  ],
  ['resume', 'admin:licenses:write', 'Resume a suspended license', 'Its end stays as it was.'],
  [
    'revoke',
    'admin:licenses:write',
    'Revoke a license',
    'From the next request on it allows nothing. Only a reinstatement makes it valid again.',
  ],
  [
    'reinstate',
    'admin:licenses:reinstate',
    'Reinstate a revoked license',
    'It becomes active, with the end that it had. One that was transferred stays revoked: transfer its replacement back.',
  ],
  [
    'renew',
    'admin:licenses:write',
    'Renew a license',
    'Adds the duration of its plan to the end, or to the present time if that is later, and gives it the terms that the plan has now. If the plan has no duration, the license has no end.',
  ],
] as const

/** How operators issue licenses, and change their status, end and plan. */
export function licenseLifeRoutes(app: App): void {
  app.post(
    '/licenses',
    {
      ...writes,
      problems: ['limit-below-use'],
      schema: {
        operationId: 'createLicense',
        summary: 'Issue a license',
        description:
          'The license copies the terms of the plan. Its key is in this response only. A repetition with the same Idempotency-Key ' +
          'gets the license without the key.',
        tags,
        body: NewLicense,
        response: { 201: IssuedLicense },
      },
    },
    async ({ operator, body }, reply) => {
      const made = createLicenseKey()
      const license = await operator
        .on({ entity_type: 'licenses', entity_id: ({ id }: { id: string }) => id })
        .within(body.organization_id)
        .run(createLicense(body.organization_id, body, made))
        .catch(unknownOrganization)
      reply.code(201).header('location', `/api/v1/admin/licenses/${license.id}`)
      // A repetition gets the stored license, which has another key.
      const key = license.key_prefix === made.prefix ? { key: made.key } : {}
      return sendTagged(reply, license.id, { ...license, ...key })
    },
  )

  for (const [name, access, summary, description] of plainSteps)
    stepRoute(app, { name, access, summary, description, body: Because }, () => steps[name])
  stepRoute(
    app,
    {
      name: 'extend',
      access: 'admin:licenses:write',
      summary: 'Extend a license',
      description: 'Sets a later end, or an end if it had none.',
      body: Strict({ ...LicenseExtension.properties, reason: Reason }),
    },
    ({ expires_at }) => extendTo(expires_at),
  )
  stepRoute(
    app,
    {
      name: 'change-plan',
      access: 'admin:licenses:write',
      summary: 'Give a license another plan',
      description:
        'Copies the terms of the plan; the start and the end stay. If the organization has more members, projects or workspaces than the ' +
        'plan and its overage allow, nothing changes and the response is `limit-below-use`: remove some first, or choose a larger plan.',
      body: Strict({ ...LicensePlanChoice.properties, reason: Reason }),
    },
    ({ plan_id }) => givePlan(plan_id),
  )

  app.post(
    '/licenses/:id/transfer',
    {
      ...writes,
      problems: ['license-revoked', 'license-transferred', 'license-status-conflict', 'limit-below-use'],
      schema: {
        ...single,
        operationId: 'transferLicense',
        summary: 'Reissue a license to another organization',
        description:
          'The license is revoked. The response is a new license of the other organization with the same terms and end, a new key, and ' +
          '`transferred_from`. Renew a license that has expired first. Within one organization this gives a license another key.',
        body: Strict({ ...LicenseTransfer.properties, reason: Reason }),
        response: { 201: IssuedLicense },
      },
    },
    async (request, reply) => {
      const { operator, params, body } = request
      const { organization_id, id } = await operator.lookUp(getAnyLicense(params.id))
      const made = createLicenseKey()
      const license = await aboutLicense(operator, id, body.reason)
        .for(organization_id)
        .transaction(transaction => transferLicense(transaction, { organization_id, id }, body.organization_id, made))
      reply.code(201).header('location', `/api/v1/admin/licenses/${license.id}`)
      const key = license.key_prefix === made.prefix ? { key: made.key } : {}
      return sendTagged(reply, license.id, { ...license, ...key })
    },
  )
}

const aboutLicense = (operator: Operator, id: string, reason: string | undefined) =>
  operator.on({ entity_type: 'licenses', entity_id: id, ...(reason !== undefined && { details: { reason } }) })

/** One step: `POST /licenses/{id}/{name}`. */
function stepRoute<Body extends TObject>(
  app: App,
  {
    name,
    access,
    summary,
    description,
    body,
  }: {
    name: string
    access: 'admin:licenses:write' | 'admin:licenses:reinstate'
    summary: string
    description: string
    body: Body
  },
  stepOf: (body: Static<Body>) => Parameters<typeof takeStep>[2],
): void {
  const problems: ProblemCode[] = [
    'license-revoked',
    'license-transferred',
    'license-status-conflict',
    'limit-below-use',
  ]
  app.post(
    `/licenses/:id/${name}`,
    {
      access,
      problems,
      schema: {
        ...single,
        operationId: `${name.replace(/-(\w)/, (_match, letter: string) => letter.toUpperCase())}License`,
        summary,
        description,
        body,
        response: { 200: OperatorLicense },
      },
    },
    async (request): Promise<OperatorLicense> => {
      const { operator, params } = request
      const given = request.body as Static<Body> & { reason?: string }
      const { organization_id, id } = await operator.lookUp(getAnyLicense(params.id))
      return aboutLicense(operator, id, given.reason)
        .within(organization_id)
        .transaction(transaction => takeStep(transaction, { organization_id, id }, stepOf(given)))
    },
  )
}

/** The organization is a field of the body. */
function unknownOrganization(error: unknown): never {
  throw isProblem(error, 'not-found') ? invalidField('/organization_id', 'is not an organization') : error
}
