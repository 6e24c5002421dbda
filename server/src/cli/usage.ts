import { version } from '../version.ts'

/** The help text. */
export const USAGE = `freehold ${version}

  freehold start [--migrate]          run the service; in production --migrate applies pending migrations first
  freehold worker                     run only the background jobs; any number of workers can run beside the service
  freehold jobs [dead]                count the waiting jobs; dead: list the jobs that failed for good, with the reasons
  freehold jobs retry ID… | --all     try these jobs again
  freehold migrate <command>          generate, apply, auto, rollback, stamp, current, list, check
  freehold superuser grant EMAIL      give an account the superuser role; --create creates it, with the password from standard input
  freehold superuser revoke EMAIL     revoke the role, and the account's sessions
  freehold superuser list             list the superusers
  freehold unlock EMAIL|USERNAME      end the lockout of an account after too many failed sign-ins
  freehold import users FILE          import accounts from another system, one JSON object per line (- is standard input); docs/guides/import.md
                                      --dry-run writes nothing; --report FILE gets the lines that were not imported, with the reasons
  freehold seed                       create five organizations with people and structure, for development; docs/guides/seed-data.md
  freehold keys generate              generate a new signing key; tokens of the present one stay valid until they expire
  freehold keys generate --license-files [--now]   generate a key for license files; it signs after 14 days, or now
  freehold keys list                  list all signing keys
  freehold keys remove ID             remove a leaked key: its tokens are refused within seconds
  freehold doctor [--roles]           list faults, each with its fix; --roles prints the SQL that creates the logins
  freehold doctor --production        also check what a deployment needs: TLS, secrets, proxies, log rotation, clocks, backups
`

/** A command was called with wrong arguments. */
export class UsageError extends Error {
  override name = 'UsageError'
}
