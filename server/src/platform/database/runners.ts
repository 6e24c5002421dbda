import type { Database, Login, Runner, SystemRunner } from './database.ts'
import type { Scope } from './scope.ts'
import type { LoginName } from './statement.ts'

/** A runner for the login with one scope. */
export const runnerOf = <Name extends LoginName>(login: Login<Name>, scope: Scope): Runner<Name> => ({
  origin: scope.origin,
  run: statement => login.run(scope, statement),
  transaction: work => login.transaction(scope, work),
})

/** A runner for the system login, whose scope can be extended. */
export const systemRunnerOf = (login: Login<'system'>, scope: Scope): SystemRunner => ({
  ...runnerOf(login, scope),
  shortage: () => login.shortage(),
  pools: () => login.pools(),
  with: ({ user_id, organization_id }) =>
    systemRunnerOf(login, {
      ...scope,
      origin: user_id === undefined ? scope.origin : { ...scope.origin, user_id },
      ...(organization_id !== undefined && { organization_id }),
    }),
})

/** The system login outside of requests; the audit log stores `name` as the request, `user_agent` as the program. */
export const systemFor = ({ system }: Database, name: string, user_agent = ''): SystemRunner =>
  systemRunnerOf(system, { origin: { request_id: name, ip: '', user_agent } })
