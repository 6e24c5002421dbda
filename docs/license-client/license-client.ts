/**
 * A client for programs that hold a license key: it activates this device, sends heartbeats, and works offline for as
 * long as its license file is valid. It needs no dependency; see docs/guides/license-activation.md.
 */
import { verifyLicenseFile } from './license-file.ts'
import type { DeviceKey, PublicKey, Verdict } from './license-file.ts'

/** What the program keeps between two runs. Losing it costs a new license file, nothing else. */
export interface LicenseState {
  /** The latest license file. */
  file?: string
  /** The time of the latest verification, in milliseconds: it shows that a clock was set back. */
  lastSeen?: number
}

export interface LicenseClientOptions {
  /** The URL of the service, as in PUBLIC_URL. */
  url: string
  /** Accepted as the issuer of license files: `url` by default. While PUBLIC_URL changes, the former one and the new one. */
  issuers?: readonly string[]
  key: string
  /** Names this device, such as a SHA-256 of its machine id; at most 255 visible ASCII characters. */
  fingerprint: string
  /**
   * The public keys of the service, from /.well-known/license-jwks.json. They are a part of the program: anyone who can replace
   * them can make license files.
   */
  keys: readonly PublicKey[]
  /** What the program is, and its version: compared with what the license is for, if it says so. */
  product?: string
  version?: string
  /** Encrypts the files to this device. */
  deviceKey?: DeviceKey
  /** The life of a license file, and so how long the program works offline: 30 days by default. */
  fileSeconds?: number
  load: () => LicenseState
  store: (state: LicenseState) => void
}

/** What the program may do, and why: a code of the service, or of the license file. */
export interface License {
  access: 'full' | 'read-only' | 'none'
  code: string
  /** Whether the service has answered, and the license file is a new one. */
  online: boolean
  entitlements: readonly string[]
}

/** A device on which the license is in use. */
export interface Device {
  fingerprint: string
  name: string | null
  last_seen_at: string
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
  url: given,
  issuers,
  key,
  fingerprint,
  keys,
  product,
  version,
  deviceKey,
  fileSeconds = 30 * 86_400,
  load,
  store,
}: LicenseClientOptions) {
  const url = given.replace(/\/+$/, '')

  /** @throws Unreachable if the answer is not one of the service, such as the page of a hotel's network */
  async function request(path: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    try {
      const answer = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(10_000) })
      const text = await answer.text()
      if (answer.status === 429 || answer.status >= 500) throw new Unreachable(`${path} answered ${answer.status}`)
      return { status: answer.status, body: { ...(text === '' ? {} : (JSON.parse(text) as object)) } }
    } catch (cause) {
      throw new Unreachable(`${url} does not answer`, { cause })
    }
  }

  /** @throws LicenseProblem with the code of a refusal, Unreachable */
  async function send(path: string, body: object): Promise<Record<string, unknown>> {
    const answer = await request(`${LICENSES}${path}`, { key, ...body })
    if (answer.status < 400) return answer.body
    const { code, license_status = code, detail } = answer.body
    if (typeof code !== 'string') throw new Unreachable(`${path} was refused by something else, such as a proxy`)
    // A license that cannot be used says why: suspended, revoked, expired and so on.
    throw new LicenseProblem(String(license_status), String(detail))
  }

  const device = { fingerprint }
  const expected = { keys, issuer: issuers ?? url, fingerprint, product, version, deviceKey, maxSeconds: fileSeconds }
  const verify = (file: string, clock: { lastSeen?: number | undefined; now?: number }): Promise<Verdict> =>
    verifyLicenseFile(file, { ...expected, ...clock })

  /**
   * Gets a license file and verifies it. Also with a connection, only the file says what is allowed: any other response could
   * come from a program that stands in for the service.
   */
  async function renewFile(): Promise<Verdict> {
    const response = await send('/files', {
      ...device,
      ttl_seconds: fileSeconds,
      ...(deviceKey && { device_public_key: deviceKey.x }),
    })
    const file = String(response['file'])
    const verdict = await verify(file, {})
    // A clock that is slow does not matter here: the file is new.
    const corrected =
      verdict.code === 'clock-set-back' ? await verify(file, { now: Number(verdict.lastSeen) }) : verdict
    if (corrected.code === 'valid') store({ file, lastSeen: corrected.lastSeen })
    return corrected
  }

  async function checkOffline(): Promise<License> {
    const { file, lastSeen } = load()
    if (file === undefined) return { access: 'none', code: 'no-license-file', online: false, entitlements: [] }
    const verdict = await verify(file, { lastSeen })
    if (verdict.lastSeen !== undefined) store({ file, lastSeen: verdict.lastSeen })
    return licenseOf(verdict, false)
  }

  async function checkOnline(): Promise<License> {
    const { access, code } = await send('/validate', { ...device, product, version })
    if (access !== 'none') return licenseOf(await renewFile(), true)
    // A license that is no longer valid takes its file with it: going offline does not bring it back.
    store({})
    return { access, code: String(code), online: true, entitlements: [] }
  }

  return {
    /** Activates this device; again for the same device changes nothing. @throws LicenseProblem, such as activations-exhausted */
    async activate(name?: string): Promise<void> {
      await send('/activate', { ...device, ...(name !== undefined && { name }) })
      const { code } = await renewFile()
      if (code !== 'valid') throw new LicenseProblem(code, 'The license file of this service is refused.')
    },
    /** Call it at the start and from time to time: what the program may do now, whether there is a connection or not. */
    async check(): Promise<License> {
      try {
        return await checkOnline()
      } catch (error) {
        if (error instanceof Unreachable) return checkOffline()
        // A license that ended between the two requests takes its file with it, too.
        if (error instanceof LicenseProblem) store({})
        throw error
      }
    },
    /**
     * Call it at least every `heartbeat_seconds` of the license. @returns false if the service does not answer
     * @throws LicenseProblem, such as heartbeat-dead: activate again
     */
    async beat(): Promise<boolean> {
      try {
        await send('/heartbeat', device)
        return true
      } catch (error) {
        if (error instanceof Unreachable) return false
        if (error instanceof LicenseProblem) store({})
        throw error
      }
    },
    /** The devices of the license, at most 100: so that a user can choose which one to deactivate. @throws LicenseProblem */
    async devices(): Promise<readonly Device[]> {
      const { items } = await send('/activations?limit=100', {})
      return Array.isArray(items) ? (items as Device[]) : []
    },
    /** Gives the activation back, when the program is uninstalled or a floating license is no longer needed. */
    async deactivate(): Promise<void> {
      store({})
      await send('/deactivate', device)
    },
    /** Deactivates another device, whose fingerprint `devices` has returned. @throws LicenseProblem */
    async deactivateOther(other: string): Promise<void> {
      await send('/deactivate', { fingerprint: other })
    },
  }
}

const licenseOf = (verdict: Verdict, online: boolean): License =>
  verdict.code === 'valid'
    ? { access: verdict.access, code: 'valid', online, entitlements: verdict.license.entitlements }
    : { access: 'none', code: verdict.code, online, entitlements: [] }
