import { Type } from 'typebox'
import { addressKey } from '../../platform/addresses.ts'
import { clientAddress } from '../../platform/http/client-address.ts'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { licenseProblems, required } from '../license-activations/activations.ts'
import { runForProgram, withLicense } from '../license-activations/program.ts'
import { programRules } from '../license-activations/program-limits.ts'
import { getSigningKey, listFileKeys, publicFileKeys } from './file-keys.ts'
import { requireDeviceKey } from './sealing.ts'
import { issueFile, LicenseFile, makeFile, NewLicenseFile } from './license-files.ts'

const tags = ['License files']

const KeySet = Type.Object(
  {
    keys: Type.Array(
      Type.Object({
        kid: Type.String({ maxLength: 64 }),
        kty: Type.Literal('OKP'),
        crv: Type.Literal('Ed25519'),
        x: Type.String({ maxLength: 43 }),
        alg: Type.Literal('EdDSA'),
        use: Type.Literal('sig'),
      }),
      { maxItems: 100 },
    ),
  },
  { title: 'LicenseFileKeys' },
)

export function licenseFileRoutes(
  app: App,
  { config, limitsOfPrograms }: Pick<Services, 'config' | 'limitsOfPrograms'>,
): void {
  app.post(
    '/licenses/files',
    {
      ...programRules,
      problems: [...licenseProblems, 'activation-missing', 'heartbeat-dead'],
      schema: {
        operationId: 'createLicenseFile',
        summary: 'Get a license file',
        description:
          'A signed text with which an activated device works offline until it expires. Until then the activation counts, ' +
          'without heartbeats.',
        tags,
        body: NewLicenseFile,
        response: { 201: LicenseFile },
      },
    },
    async (request, reply) => {
      const { key, ...wanted } = request.body
      const { visitor } = request
      const program = { visitor, limits: limitsOfPrograms(reply, addressKey(clientAddress(request))) }
      if (wanted.device_public_key !== undefined) requireDeviceKey(wanted.device_public_key)
      const issued = required(await withLicense(program, key, hash => issueFile(hash, wanted)))
      const signingKey = await getSigningKey(statement => runForProgram(visitor, statement), config.secretKey)
      return reply.code(201).send(makeFile(issued, wanted, { issuer: config.publicUrl, key: signingKey }))
    },
  )
}

/** The public keys of license files, at the root of the service. */
export function fileKeyRoutes(app: App): void {
  app.get(
    '/.well-known/license-jwks.json',
    {
      access: 'public',
      schema: {
        operationId: 'getLicenseFileKeys',
        summary: 'Get the public keys of license files',
        tags,
        response: { 200: KeySet },
      },
    },
    async ({ visitor }, reply) => {
      reply.header('cache-control', 'public, max-age=60').header('access-control-allow-origin', '*')
      return publicFileKeys(await runForProgram(visitor, listFileKeys))
    },
  )
}
