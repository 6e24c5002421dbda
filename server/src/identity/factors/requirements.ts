import type { RawBuilder } from 'kysely'
import { raw, statement, tables } from '../../platform/database/statement.ts'
import { Problem } from '../../platform/problems.ts'
import type { ProblemCode } from '../../platform/problems.ts'

const query = tables('system')

/**
 * What a sign-in or step-up uses up, or needs to be there still: SQL that changes or locks the row and returns it. It runs
 * while the account is locked. Where no row comes back, `otherwise` says why not.
 */
export interface Requirement {
  row: RawBuilder<unknown>
  otherwise: ProblemCode
}

/** Fulfils a requirement in a statement of its own. @throws Problem (read) */
export const fulfil = ({ row, otherwise }: Requirement) =>
  statement(raw(query, row), rows => {
    if (rows.length === 0) throw new Problem(otherwise)
  })
