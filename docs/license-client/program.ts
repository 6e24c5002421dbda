// A licensed program: `node program.ts activate | check | beat | run | devices | deactivate [FINGERPRINT]`, with
// FREEHOLD_URL and LICENSE_KEY in the environment. It keeps its state in the file LICENSE_STATE. The file LICENSE_KEYS has
// the public keys of the service; a program that is sold has them in its code.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { createLicenseClient, LicenseProblem } from './license-client.ts'
import type { LicenseState } from './license-client.ts'
import type { PublicKey } from './license-file.ts'

const { FREEHOLD_URL = 'http://localhost:8000', LICENSE_KEY = '', LICENSE_STATE = 'license.json' } = process.env
const { LICENSE_KEYS = 'license-keys.json', HEARTBEAT_SECONDS = '60' } = process.env

const client = createLicenseClient({
  url: FREEHOLD_URL,
  key: LICENSE_KEY,
  fingerprint: createHash('sha256')
    .update(process.env['FINGERPRINT'] ?? hostname())
    .digest('hex'),
  keys: (JSON.parse(readFileSync(LICENSE_KEYS, 'utf8')) as { keys: PublicKey[] }).keys,
  load: () => (existsSync(LICENSE_STATE) ? JSON.parse(readFileSync(LICENSE_STATE, 'utf8')) : {}) as LicenseState,
  store: state => writeFileSync(LICENSE_STATE, JSON.stringify(state)),
})

/** @returns whether the program may work */
async function check(): Promise<boolean> {
  const { access, code, online } = await client.check()
  console.log(`${online ? 'online' : 'offline'}: access ${access} (${code})`)
  return access !== 'none'
}

const commands: Readonly<Record<string, () => Promise<boolean>>> = {
  activate: async () => {
    await client.activate(hostname())
    console.log('activated')
    return true
  },
  check,
  beat: async () => {
    const isSent = await client.beat()
    console.log(isSent ? 'heartbeat accepted' : 'offline')
    return isSent
  },
  // Works until the license ends: it beats, and asks again after each heartbeat.
  run: async () => {
    while (await check()) {
      await delay(Number(HEARTBEAT_SECONDS) * 1000)
      await client.beat()
    }
    return false
  },
  devices: async () => {
    for (const { fingerprint, name, last_seen_at } of await client.devices())
      console.log(`${fingerprint} ${name ?? '-'} ${last_seen_at}`)
    return true
  },
  // This device, or the one that is named.
  deactivate: async () => {
    const other = process.argv[3]
    await (other === undefined ? client.deactivate() : client.deactivateOther(other))
    console.log('deactivated')
    return true
  },
}

try {
  const command = commands[process.argv[2] ?? '']
  if (command === undefined)
    throw new Error('usage: node program.ts activate | check | beat | run | devices | deactivate')
  process.exitCode = (await command()) ? 0 : 1
} catch (error) {
  const { message } = error as Error
  console.error(error instanceof LicenseProblem ? `${error.code}: ${message}` : message)
  process.exitCode = 1
}
