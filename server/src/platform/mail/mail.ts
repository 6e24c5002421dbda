import type { Config } from '../../config/config.ts'
import type { Database } from '../database/database.ts'
import type { JobHandler } from '../jobs/jobs.ts'
import { composeMail } from './compose.ts'
import type { ComposeOptions } from './compose.ts'
import { loadTemplates } from './templates.ts'
import type { Mailer } from './transport.ts'

/** What composing takes, from the configuration. @throws Error with every fault of MAIL_TEMPLATES */
export const composeOptionsOf = (config: Config, tokenKey: Buffer): ComposeOptions => ({
  templates: loadTemplates(config.mail.templates),
  tokenKey,
  appName: config.appName,
  home: config.frontendUrl ?? config.publicUrl,
  pagesUrl: config.accountPagesUrl,
  defaultLocale: config.mail.defaultLocale,
})

/** Does the jobs of the queue `mail`: composes what is still to be sent, and sends it. What it throws is tried again. */
export const mailHandler =
  (database: Database, mailer: Mailer, options: ComposeOptions): JobHandler =>
  async (data, id) => {
    const message = await composeMail(database, options, data)
    if (message !== undefined) await mailer.send(message, id)
  }
