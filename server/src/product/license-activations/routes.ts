import { createSecretKey } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { addressKey } from '../../platform/addresses.ts'
import { openPage } from '../../platform/database/pagination.ts'
import { clientAddress } from '../../platform/http/client-address.ts'
import type { App } from '../../platform/http/route.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import { getAnyLicense } from '../licenses/licenses.ts'
import {
  activate,
  Activation,
  ActivationFilters,
  ActivationList,
  beat,
  deactivate,
  Deactivation,
  deleteActivation,
  findLicenseOfKey,
  Heartbeat,
  licenseProblems,
  listActivations,
  listOwnActivations,
  NewActivation,
  OwnActivation,
  required,
  requireLicense,
} from './activations.ts'
import type { Answered, Outcome } from './activations.ts'
import { programRules } from './program-limits.ts'
import { runForProgram, withLicense } from './program.ts'
import { Validation, ValidationRequest, validate } from './validation.ts'

const tags = ['License activations']

const activations = {
  limit: 'changes',
  counts: (answer: Answered<{ is_new: boolean }>) => 'is_new' in answer && answer.is_new,
} as const
const deactivations = { limit: 'changes', counts: (answer: Answered<Outcome>) => !('refusal' in answer) } as const
const lists = { limit: 'lists', counts: () => true } as const

/** What programs do that hold only a license key. */
export function programRoutes(app: App, { keys, limitsOfPrograms }: Pick<Services, 'keys' | 'limitsOfPrograms'>): void {
  const cursorKey = createSecretKey(keys.cursors)
  const programOf = (request: FastifyRequest, reply: FastifyReply) => ({
    visitor: request.visitor,
    limits: limitsOfPrograms(reply, addressKey(clientAddress(request))),
  })

  app.post(
    '/licenses/validate',
    {
      ...programRules,
      problems: ['malformed-key'],
      schema: {
        operationId: 'validateLicense',
        summary: 'Validate a license',
        description:
          'Says whether the license can be used now, on this device and for what the program asks for, with a code for each reason. ' +
          'A key that no license has is answered like any other: with `valid` = false.',
        tags,
        body: ValidationRequest,
        response: { 200: Validation },
      },
    },
    async (request, reply) => {
      const { key, ...scopes } = request.body
      return validate(programOf(request, reply), key, scopes)
    },
  )

  app.post(
    '/licenses/activate',
    {
      ...programRules,
      problems: [...licenseProblems, 'activations-exhausted'],
      schema: {
        operationId: 'activateLicense',
        summary: 'Activate a device',
        description:
          'With a floating license the activation is a lease: it ends at `expires_at` unless it is renewed. ' +
          'A device that is activated already gets 200 and its activation, which is renewed and keeps its name.',
        tags,
        body: NewActivation,
        response: { 200: OwnActivation, 201: OwnActivation },
      },
    },
    async (request, reply) => {
      const { key, ...device } = request.body
      const made = required(
        await withLicense(programOf(request, reply), key, hash => activate(hash, device), activations),
      )
      return reply.code(made.is_new ? 201 : 200).send(made)
    },
  )

  app.post(
    '/licenses/heartbeat',
    {
      ...programRules,
      problems: [...licenseProblems, 'activation-missing', 'heartbeat-dead'],
      schema: {
        operationId: 'renewLicenseActivation',
        summary: 'Send a heartbeat',
        description: 'Renews the activation of the device, also a lease of a floating license.',
        tags,
        body: Heartbeat,
        response: { 200: OwnActivation },
      },
    },
    async (request, reply) => {
      const { key, ...device } = request.body
      return required(await withLicense(programOf(request, reply), key, hash => beat(hash, device)))
    },
  )

  app.post(
    '/licenses/deactivate',
    {
      ...programRules,
      problems: ['malformed-key', 'license-not-found', 'activation-missing'],
      schema: {
        operationId: 'deactivateLicense',
        summary: 'Deactivate a device',
        description:
          'Returns the activation, also if the license can no longer be used. Delete the license file of the device.',
        tags,
        body: Deactivation,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { key, ...device } = request.body
      required(await withLicense(programOf(request, reply), key, hash => deactivate(hash, device), deactivations))
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/licenses/activations',
    {
      ...programRules,
      problems: ['malformed-key', 'license-not-found'],
      schema: {
        operationId: 'listOwnLicenseActivations',
        summary: 'List the devices of a license, with its key',
        description:
          'Those that count now, newest first, also if the license can no longer be used: so a program can show which device to ' +
          'deactivate when there is no place left.',
        tags,
        querystring: PageQueryOf({}),
        body: ActivationList,
        response: { 200: PageSchema(Activation) },
      },
    },
    async (request, reply) => {
      const program = programOf(request, reply)
      const license = required(await withLicense(program, request.body.key, findLicenseOfKey, lists))
      const page = openPage(cursorKey, () => `license activations ${license.id}`, request.query)
      return (await runForProgram(program.visitor, listOwnActivations(license, page))) as never
    },
  )
}

/** The activations of an organization's licenses, for its administrators. */
export function activationRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/licenses/:id/activations',
    {
      access: 'licenses:read',
      schema: {
        operationId: 'listLicenseActivations',
        summary: 'List the activations of a license',
        description: 'Those that have expired are listed for a day.',
        tags,
        params: Strict({ id: IdOf('license') }),
        querystring: PageQueryOf(ActivationFilters),
        response: { 200: PageSchema(Activation) },
      },
    },
    async request => {
      const { actor, params, query } = request
      const license = { id: params.id, organization_id: actor.organization_id }
      const page = await actor
        .run(listActivations(license, query, cursors.open(request)))
        .catch((refusal: unknown) => ({ items: [], refusal }))
      // Nothing to show, or a wrong cursor: first of all the license must be there.
      if (page.items.length === 0) await actor.run(requireLicense(actor, params.id))
      if ('refusal' in page) throw page.refusal
      return page as never
    },
  )

  app.delete(
    '/licenses/:id/activations/:activation_id',
    {
      access: 'licenses:write',
      schema: {
        operationId: 'deleteLicenseActivation',
        summary: 'Deactivate a device',
        description: 'For the administrators of the organization; the program learns it at its next request.',
        tags,
        params: Strict({ id: IdOf('license'), activation_id: IdOf('license activation') }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, params } = request
      await actor.run(deleteActivation(actor, params.id, params.activation_id))
      return reply.code(204).send(null)
    },
  )
}

/** The activations of all organizations' licenses, for operators. */
export function operatorActivationRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/admin/licenses/:id/activations',
    {
      access: 'admin:licenses:read',
      schema: {
        operationId: 'listAnyLicenseActivations',
        summary: 'List the activations of a license of any organization',
        description: 'Those that have expired are listed for a day.',
        tags,
        params: Strict({ id: IdOf('license') }),
        querystring: PageQueryOf(ActivationFilters),
        response: { 200: PageSchema(Activation) },
      },
    },
    async request => {
      const { operator, params, query } = request
      const license = await operator.run(getAnyLicense(params.id))
      return (await operator.run(listActivations(license, query, cursors.open(request)))) as never
    },
  )

  app.delete(
    '/admin/licenses/:id/activations/:activation_id',
    {
      access: 'admin:licenses:write',
      schema: {
        operationId: 'deleteAnyLicenseActivation',
        summary: 'Deactivate a device of any organization',
        description: 'The program learns it at its next request. It can activate again if there is a place.',
        tags,
        params: Strict({ id: IdOf('license'), activation_id: IdOf('license activation') }),
        response: { 204: Type.Null() },
      },
    },
    async ({ operator, params: { id, activation_id } }, reply) => {
      const { organization_id } = await operator.lookUp(getAnyLicense(id))
      await operator
        .on({ entity_type: 'license_activations', entity_id: activation_id, details: { license_id: id } })
        .within(organization_id)
        .run(deleteActivation({ organization_id }, id, activation_id))
      return reply.code(204).send(null)
    },
  )
}
