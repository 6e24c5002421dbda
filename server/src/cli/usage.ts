import { version } from '../version.ts'

/** What there is to call. */
export const USAGE = `freehold ${version}

  freehold start [--migrate]          run the service; in production --migrate applies pending migrations first
  freehold worker                     do the jobs alone, beside services with RUN_JOBS=false or as many as are wanted
  freehold jobs [dead]                how many jobs wait; dead: those that were given up, each with its reason
  freehold jobs retry ID… | --all     put back what was given up
  freehold migrate <command>          generate, apply, auto, rollback, stamp, current, list, check
  freehold superuser grant EMAIL      give an account the platform role; --create makes it, with the password from standard input
  freehold superuser revoke EMAIL     take it away, and end the account's sessions
  freehold superuser list             who holds it
  freehold unlock EMAIL|USERNAME      let somebody sign in again who has failed too often
  freehold import users FILE          accounts from another system, a JSON object a line (- is standard input); docs/guides/import.md
                                      --dry-run writes none; --report FILE gets the lines that made none, and why
  freehold keys generate              a new signing key; tokens of the present one stay valid until they expire
  freehold keys list                  every signing key
  freehold keys remove ID             for a key that leaked: its tokens are refused within seconds
  freehold doctor [--roles]           what is wrong, and what mends it; --roles prints the SQL that makes the logins
`

/** A command was called in a way that it does not know. */
export class UsageError extends Error {
  override name = 'UsageError'
}
