import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

// An authenticator in software (WebAuthn Level 3, section 6): ES256; a test can make it send false data.

/** The false data that a test makes it send. */
export interface Lie {
  origin?: string
  rpId?: string
  type?: string
  challenge?: string
  crossOrigin?: boolean
  /** Flags of the authenticator data: 1 user present, 4 user verified, 8 backup eligible, 16 backed up. */
  flags?: number
  counter?: number
  userHandle?: string | null
  /** The id of the credential in the response. */
  id?: string
  /** The key that signs the response. */
  by?: { signature(data: Buffer): Buffer }
  /** Changes the signature after it was created. */
  spoil?: boolean
  /** Attestation by the passkey itself or by a certificate; none by default. */
  attestation?: 'packed' | 'fido-u2f'
  /** COSE number of the algorithm in the public key. */
  algorithm?: number
}

/** The key and certificate of a manufacturer of security keys, valid for a hundred years. */
const maker = {
  key: createPrivateKey({
    key: Buffer.from(
      'MHcCAQEEIH0m/trfmWZsO0ApyiPxS2l99PfTft6pbAfVDp/gMirPoAoGCCqGSM49AwEHoUQDQgAEs27/TDZl0Nuvhq4oKPtuO+0VvFqYjgaD50Kq4AhAYxwKk2rAjYE7i5gzFValB5rrt+9XxEIF/EOenGj/zbwoyA==',
      'base64',
    ),
    format: 'der',
    type: 'sec1',
  }),
  certificate: Buffer.from(
    `MIIBczCCARmgAwIBAgIUOIK06Pktxd/agjGaIis/BVR4s0owCgYIKoZIzj0EAwIwDjEMMAoGA1UEAwwDdTJmMCAXDTI2MTEyMTA1NTExMVoYDzIxMjYx
    MDI4MDU1MTExWjAOMQwwCgYDVQQDDAN1MmYwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASzbv9MNmXQ26+Grigo+2477RW8WpiOBoPnQqrgCEBjHAqTas
    CNgTuLmDMVVqUHmuu371fEQgX8Q56caP/NvCjIo1MwUTAdBgNVHQ4EFgQUh3uTAkMp0JDy55NDlabPuF27MPAwHwYDVR0jBBgwFoAUh3uTAkMp0JDy55ND
    labPuF27MPAwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA8+rvXa0+EbF/9dvch4Ep4cJ83yAZMx9j3V0P/tF1vN8CIDFUhcUWEquglG
    snT5No4gZ7Mplo2mZelgsXIR23aupw`.replaceAll(/\s/g, ''),
    'base64',
  ),
}

export type Authenticator = ReturnType<typeof createAuthenticator>

interface CreationOptions {
  challenge: string
  rp: { id: string }
  user: { id: string }
}

const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest()
const encode = (data: Buffer | string): string => Buffer.from(data).toString('base64url')

/** CBOR (RFC 8949), as far as attestations need it. */
function cbor(value: unknown): Buffer {
  const head = (major: number, size: number): Buffer => {
    const first = major << 5
    if (size < 24) return Buffer.from([first | size])
    if (size < 256) return Buffer.from([first | 24, size])
    return Buffer.from([first | 25, size >> 8, size & 255])
  }
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)])
  if (value instanceof Map) return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)])
  throw new Error(`no CBOR for ${typeof value}`)
}

/** The state of an authenticator, so that a test can store and restore it. */
export interface KeptPasskey {
  id: string
  /** PKCS#8, base64. */
  key: string
  handle: string
  uses: number
}

const newKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ format: 'der', type: 'pkcs8' })
    .toString('base64')

/** A new or restored authenticator in a browser at this origin. It counts its signatures, which few real ones do. */
export function createAuthenticator(
  origin: string,
  { counts = true, kept }: { counts?: boolean; kept?: KeptPasskey } = {},
) {
  const key = kept?.key ?? newKey()
  const privateKey = createPrivateKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'pkcs8' })
  const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const credentialId = kept === undefined ? randomBytes(32) : Buffer.from(kept.id, 'base64url')
  const id = encode(credentialId)
  let uses = kept?.uses ?? 0
  let handle = kept?.handle ?? ''

  const clientData = (type: string, challenge: string, lie: Lie): Buffer =>
    Buffer.from(
      JSON.stringify({
        type: lie.type ?? type,
        challenge: lie.challenge ?? challenge,
        origin: lie.origin ?? origin,
        crossOrigin: lie.crossOrigin ?? false,
      }),
    )
  const authenticatorData = (rpId: string, flags: number, lie: Lie, attested = Buffer.alloc(0)): Buffer => {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(lie.counter ?? (counts ? ++uses : 0))
    return Buffer.concat([sha256(lie.rpId ?? rpId), Buffer.from([lie.flags ?? flags]), counter, attested])
  }
  const answer = (named: string) =>
    ({
      id: named,
      rawId: named,
      type: 'public-key',
      authenticatorAttachment: 'platform',
      clientExtensionResults: {},
    }) as const

  const authenticator = {
    id,
    keep: (): KeptPasskey => ({ id, key, handle, uses }),
    signature: (data: Buffer): Buffer => sign('sha256', data, privateKey),
    create: (options: CreationOptions, lie: Lie = {}) => {
      handle = options.user.id
      const coseKey = new Map<number, unknown>([
        [1, 2],
        [3, lie.algorithm ?? -7],
        [-1, 1],
        [-2, Buffer.from(x, 'base64url')],
        [-3, Buffer.from(y, 'base64url')],
      ])
      const length = Buffer.from([credentialId.length >> 8, credentialId.length & 255])
      const attested = Buffer.concat([Buffer.alloc(16), length, credentialId, cbor(coseKey)])
      const authData = authenticatorData(options.rp.id, 0x40 | 5, lie, attested)
      const client = clientData('webauthn.create', options.challenge, lie)
      const attStmt = new Map<string, unknown>()
      if (lie.attestation === 'packed') {
        attStmt.set('alg', -7)
        attStmt.set('sig', (lie.by ?? authenticator).signature(Buffer.concat([authData, sha256(client)])))
      } else if (lie.attestation === 'fido-u2f') {
        const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
        const signed = Buffer.concat([Buffer.alloc(1), authData.subarray(0, 32), sha256(client), credentialId, point])
        attStmt.set('sig', sign('sha256', signed, maker.key))
        attStmt.set('x5c', [maker.certificate])
      }
      return {
        ...answer(lie.id ?? id),
        response: {
          clientDataJSON: encode(client),
          attestationObject: encode(
            cbor(
              new Map<string, unknown>([
                ['fmt', lie.attestation ?? 'none'],
                ['attStmt', attStmt],
                ['authData', authData],
              ]),
            ),
          ),
          transports: ['internal', 'hybrid'],
        },
      }
    },
    get: (options: { challenge: string; rpId?: string }, lie: Lie = {}) => {
      const data = authenticatorData(options.rpId ?? '', 5, lie)
      const client = clientData('webauthn.get', options.challenge, lie)
      const signature = (lie.by ?? authenticator).signature(Buffer.concat([data, sha256(client)]))
      if (lie.spoil === true) signature[signature.length - 1]! ^= 1
      return {
        ...answer(lie.id ?? id),
        response: {
          clientDataJSON: encode(client),
          authenticatorData: encode(data),
          signature: encode(signature),
          userHandle: lie.userHandle === undefined ? handle : lie.userHandle,
        },
      }
    },
  }
  return authenticator
}
