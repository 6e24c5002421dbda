import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { after } from 'node:test'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'

const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(path =>
  existsSync(path),
)

/** For `test(…, { skip: noBrowser })`: false, or the reason why no browser can be started here. */
export const noBrowser = program === undefined && 'Chromium is not installed'

/** How long it waits for what a page should show, also on a busy machine. Milliseconds. */
const TIMEOUT_MS = 180_000

/** A real browser without a window, closed after the tests of this file. */
export async function openBrowser(): Promise<Browser> {
  if (program === undefined) throw new Error('Chromium is not installed')
  // Its sandbox does not work as root, and it loads only the service's own pages.
  const browser = await chromium.launch({
    executablePath: program,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    timeout: TIMEOUT_MS,
  })
  browser.on('context', context => context.setDefaultTimeout(TIMEOUT_MS))
  after(() => browser.close())
  return browser
}

/** A phone, for pages that users open from an email. */
export const phone = {
  viewport: { width: 360, height: 640 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
} as const

export interface Site {
  /** Named `localhost`, because passkeys do not work with IP addresses. */
  origin: string
}

/** Serves these files (path to type and text) on loopback, until the tests of this file have ended. */
export async function serveSite(files: Readonly<Record<string, { type: string; text: string }>>): Promise<Site> {
  const server = createServer((request, response) => {
    const file = files[new URL(request.url ?? '/', 'http://localhost').pathname]
    if (file === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-type': file.type }).end(file.text)
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the site has no port')
  return { origin: `http://localhost:${address.port}` }
}

/** A security key or the device's own authenticator, simulated by the browser. */
export interface VirtualAuthenticator {
  /** Its passkeys; ids in base64url, as the service sends them. */
  credentials(): Promise<{ id: string; signCount: number; userHandle: string }[]>
  /** Whether the user can unlock it from now on. */
  unlock(isUnlocked: boolean): Promise<void>
  remove(): Promise<void>
}

const base64url = (text: string): string => Buffer.from(text, 'base64').toString('base64url')

/** Adds one to a page (WebAuthn Level 3, section 11: WebDriver's virtual authenticators, by the DevTools protocol). */
export async function addAuthenticator(
  page: Page,
  { transport = 'internal' }: { transport?: 'internal' | 'usb' } = {},
): Promise<VirtualAuthenticator> {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('WebAuthn.enable')
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport,
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return {
    credentials: async () => {
      const { credentials } = await devtools.send('WebAuthn.getCredentials', { authenticatorId })
      return credentials.map(({ credentialId, signCount, userHandle = '' }) => ({
        id: base64url(credentialId),
        signCount,
        userHandle: base64url(userHandle),
      }))
    },
    unlock: async isUserVerified => {
      await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })
    },
    remove: async () => {
      await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
    },
  }
}
