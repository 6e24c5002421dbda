import type { RawBuilder } from 'kysely'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import type { ProblemCode } from '../../platform/problems.ts'

const query = tables('system')

/**
 * What a sign-in or step-up uses up, or requires to exist: SQL that changes or locks the row and returns it. It runs
 * while the account is locked. If it returns no row, `otherwise` is the problem.
 */
export interface Requirement {
  row: RawBuilder<unknown>
  otherwise: ProblemCode
}

/** Fulfils a requirement in a separate statement. @throws Problem (read) */
export const fulfil = ({ row, otherwise }: Requirement) =>
  statement(raw(query, row), rows => {
    if (rows.length === 0) throw new Problem(otherwise)
  })
