import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import type { Message } from './render.ts'
import type { Envelope, Mailer } from './transport.ts'

/** An email in the outbox, stored as a file for email clients and as the data that the page shows. */
export interface KeptMail extends Message {
  id: string
  from: string
  sent_at: string
}

/** How many emails are kept; older ones are removed. */
const MAX_KEPT = 200

/** Whether emails go into the outbox: in development, unless a way to send them is configured. */
export const usesOutbox = ({ environment, mail }: Pick<Config, 'environment' | 'mail'>): boolean =>
  environment === 'development' && mail.resendApiKey === undefined && mail.smtpUrl === undefined

const folderOf = (dataDir: string) => join(dataDir, 'outbox')

/** Stores emails in a folder instead of sending them; `/dev/mail` shows them. */
export function createOutbox(dataDir: string, enclose: (message: Message, id: string) => Envelope): Mailer {
  const folder = folderOf(dataDir)
  return {
    kind: 'outbox',
    send: async (message, id) => {
      const { createTransport } = await import('nodemailer') // loaded only when needed, because this module is loaded at the start
      const composer = createTransport({ streamTransport: true, buffer: true, newline: 'unix' })
      const envelope = enclose(message, id)
      const { message: eml } = await composer.sendMail(envelope)
      const kept: KeptMail = { id, from: envelope.from, sent_at: new Date().toISOString(), ...message }
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await writeFile(join(folder, `${id}.eml`), eml as Buffer, { mode: 0o600 })
      // The page finds an email by this file, so it is written last, and atomically.
      const draft = join(folder, `.${id}.json`)
      await writeFile(draft, JSON.stringify(kept), { mode: 0o600 })
      await rename(draft, join(folder, `${id}.json`))
      for (const { id: old } of (await listOutbox(dataDir)).slice(MAX_KEPT)) {
        await Promise.all(['json', 'eml'].map(kind => rm(join(folder, `${old}.${kind}`), { force: true })))
      }
    },
    check: async () => void (await mkdir(folder, { recursive: true, mode: 0o700 })),
    close: () => {},
  }
}

/** The emails in the outbox, newest first. */
export async function listOutbox(dataDir: string): Promise<KeptMail[]> {
  const files = await readdir(folderOf(dataDir)).catch(() => [])
  const mails = await Promise.all(
    files.filter(name => /^[\w-]+\.json$/.test(name)).map(name => readKept(join(folderOf(dataDir), name))),
  )
  return mails.filter(mail => mail !== undefined).sort((a, b) => b.sent_at.localeCompare(a.sent_at))
}

/** Changes whenever an email arrives or is removed; reads none of them. */
export async function tagOfOutbox(dataDir: string): Promise<string> {
  const files = await readdir(folderOf(dataDir)).catch(() => [])
  const names = files.filter(name => /^[\w-]+\.json$/.test(name)).sort()
  return `"${createHash('sha256').update(names.join()).digest('base64url')}"`
}

/** One email of the outbox, or undefined. */
export const findInOutbox = async (dataDir: string, id: string): Promise<KeptMail | undefined> =>
  readKept(join(folderOf(dataDir), `${id}.json`))

/** An email in the format in which it would have been sent, or undefined. */
export const readEml = (dataDir: string, id: string): Promise<Buffer | undefined> =>
  readFile(join(folderOf(dataDir), `${id}.eml`)).catch(() => undefined)

/** Undefined if the file was removed meanwhile. */
const readKept = (path: string): Promise<KeptMail | undefined> =>
  readFile(path, 'utf8').then(
    text => JSON.parse(text) as KeptMail,
    () => undefined,
  )
