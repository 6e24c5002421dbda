/**
 * A client for programs that hold a license key: it activates this device, sends heartbeats, and works offline for as
 * long as its license file is valid. It needs no dependency; see docs/guides/license-activation.md.
 */
import { verifyLicenseFile } from './license-file.ts'
import type { DeviceKey, PublicKey } from './license-file.ts'

/** What the program keeps between two runs. Losing it costs a new license file, nothing else. */
export interface LicenseState {
  /** The latest license file. */
  file?: string
  /** The time of the latest verification, in milliseconds: it shows that a clock was set back. */
  lastSeen?: number
  /** The public keys that came with the file; a program that was built with keys has none here. */
  keys?: readonly PublicKey[]
}

export interface LicenseClientOptions {
  /** The URL of the service, as in PUBLIC_URL. */
  url: string
  key: string
  /** Names this device, such as a SHA-256 of its machine id; at most 255 visible ASCII characters. */
  fingerprint: string
  /** The public keys that the program was built with; those of the service are read if they are left out. */
  keys?: readonly PublicKey[]
  /** Encrypts the files to this device. */
  deviceKey?: DeviceKey
  /** The life of a license file, and so how long the program works offline. */
  fileSeconds?: number
  load: () => LicenseState
  store: (state: LicenseState) => void
}

/** What the program may do, and why: a code of the service, or of the license file. */
export interface License {
  access: 'full' | 'read-only' | 'none'
  code: string
  /** Whether the service has answered; otherwise the license file has decided. */
  online: boolean
  entitlements: readonly string[]
}

/** An answer of the service with the `code` of a problem. */
export class LicenseProblem extends Error {
  readonly code: string
  constructor(code: string, detail: string) {
    super(detail)
    this.code = code
  }
}

/** The service did not answer, or not usefully: the license file decides. */
class Unreachable extends Error {}

const LICENSES = '/api/v1/licenses'

export function createLicenseClient({
  url,
  key,
  fingerprint,
  deviceKey,
  fileSeconds,
  load,
  store,
  ...given
}: LicenseClientOptions) {
  async function request(path: string, body?: object): Promise<{ status: number; body: Record<string, unknown> }> {
    const init = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    try {
      const answer = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(10_000) })
      const text = await answer.text()
      if (answer.status === 429 || answer.status >= 500) throw new Unreachable(`${path} answered ${answer.status}`)
      return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
    } catch (cause) {
      throw new Unreachable(`${url} does not answer`, { cause })
    }
  }

  /** @throws LicenseProblem with the code of a refusal */
  async function send(path: string, body: object = {}): Promise<Record<string, unknown>> {
    const answer = await request(`${LICENSES}${path}`, { key, fingerprint, ...body })
    if (answer.status < 400) return answer.body
    // A license that cannot be used says why: suspended, revoked, expired and so on.
    throw new LicenseProblem(
      String(answer.body['license_status'] ?? answer.body['code']),
      String(answer.body['detail']),
    )
  }

  const readKeys = async () => (await request('/.well-known/license-jwks.json')).body['keys'] as PublicKey[]

  /** Gets a license file, and the public keys with which the next runs verify it. */
  async function renewFile(): Promise<void> {
    const { file } = await send('/files', {
      ...(fileSeconds !== undefined && { ttl_seconds: fileSeconds }),
      ...(deviceKey && { device_public_key: deviceKey.x }),
    })
    store({ ...load(), file: String(file), ...(given.keys === undefined && { keys: await readKeys() }) })
  }

  async function checkOffline(): Promise<License> {
    const { file, lastSeen, keys = [] } = { ...load(), ...(given.keys && { keys: given.keys }) }
    if (file === undefined) return { access: 'none', code: 'no-license-file', online: false, entitlements: [] }
    const verdict = await verifyLicenseFile(file, { keys, issuer: url, fingerprint, lastSeen, deviceKey })
    if (verdict.lastSeen !== undefined) store({ ...load(), lastSeen: verdict.lastSeen })
    return verdict.code === 'valid'
      ? { access: verdict.access, code: 'valid', online: false, entitlements: verdict.license.entitlements }
      : { access: 'none', code: verdict.code, online: false, entitlements: [] }
  }

  async function checkOnline(): Promise<License> {
    const verdict = await send('/validate')
    const access = verdict['access'] as License['access']
    const license = verdict['license'] as { entitlements: string[] } | null
    // A license that is no longer valid takes its file with it: going offline does not bring it back.
    if (access === 'none') store({})
    else await renewFile()
    return { access, code: String(verdict['code']), online: true, entitlements: license?.entitlements ?? [] }
  }

  return {
    /** Activates this device; again for the same device changes nothing. @throws LicenseProblem, such as activations-exhausted */
    async activate(name?: string): Promise<void> {
      await send('/activate', name === undefined ? {} : { name })
      await renewFile()
    },
    /** Call it at the start and from time to time: what the program may do now, whether there is a connection or not. */
    async check(): Promise<License> {
      try {
        return await checkOnline()
      } catch (error) {
        if (error instanceof Unreachable) return checkOffline()
        throw error
      }
    },
    /**
     * Call it at least every `heartbeat_seconds` of the license. @returns false if the service does not answer
     * @throws LicenseProblem, such as heartbeat-dead: activate again
     */
    async beat(): Promise<boolean> {
      try {
        await send('/heartbeat')
        return true
      } catch (error) {
        if (error instanceof Unreachable) return false
        if (error instanceof LicenseProblem) store({})
        throw error
      }
    },
    /** Gives the activation back, when the program is uninstalled or a floating license is no longer needed. */
    async deactivate(): Promise<void> {
      store({})
      await send('/deactivate')
    },
  }
}
