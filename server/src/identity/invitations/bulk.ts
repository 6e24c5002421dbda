import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Transaction } from '../../platform/database/database.ts'
import { noSuchRole, requireGivenRole } from '../../directory/organizations/held-role.ts'
import { invalidField, Problem } from '../../platform/problems.ts'
import type { FieldError, ProblemCode, ProblemTable } from '../../platform/problems.ts'
import { Nullable, OneOf, Strict } from '../../platform/schemas.ts'
import { readCsv } from './csv.ts'
import { Invitation } from './invitations.ts'
import type { NewInvitation } from './invitations.ts'
import { faultsOfGuest, sendInvitations } from './sending.ts'
import type { InvitationRow, InvitingPlace } from './sending.ts'

/** How many rows one request may have. */
const MAX_ROWS = 1000

/** A row is not described by its schema, because a row that does not match refuses itself and not the others. */
const Row = Type.Unsafe<unknown>({
  description: 'A NewInvitation.',
  examples: [{ email: 'john@example.com', role: 'member', title: 'Engineer', company: 'Acme Corp' }],
})

export const NewInvitations = Strict(
  { invitations: Type.Array(Row, { minItems: 1, maxItems: MAX_ROWS }) },
  { title: 'NewInvitations' },
)

export const InvitationsCsv = Type.String({
  title: 'InvitationsCsv',
  maxLength: 1024 * 1024,
  description:
    'CSV (RFC 4180) in UTF-8. The first line names the columns `email` and `role`, and optionally `role_id`, `title` and `company`, in any order. ' +
    'Semicolons and tabs may separate the values, too.',
  examples: ['email,role,title,company\r\njohn@example.com,member,Engineer,Acme Corp\r\n'],
})

const Code = Type.String({ maxLength: 100 })
const Pointer = Type.String({
  maxLength: 1000,
  pattern: '^(/[\\s\\S]*)?$',
  description: 'A JSON pointer into the row.',
  examples: ['/role'],
})
const Sentence = Type.String({ maxLength: 1000 })

const InvitationResult = Type.Object(
  {
    row: Type.Integer({ minimum: 1, maximum: MAX_ROWS, description: 'Counts from 1, without the header line.' }),
    email: Nullable(
      Type.String({ maxLength: 254, description: 'As it was given, in lower case if it is an address.' }),
    ),
    result: OneOf(['invited', 'kept', 'member', 'invalid', 'full', 'refused'], {
      description:
        '`kept`: an open invitation of the address stays as it is, also one from an earlier row. `full`: too many invitations are open. ' +
        'All but `invited` and `kept` come with a `problem`.',
    }),
    invitation: Type.Optional(Invitation),
    problem: Type.Optional(
      Type.Object(
        {
          code: Code,
          title: Sentence,
          detail: Sentence,
          errors: Type.Optional(
            Type.Array(Type.Object({ pointer: Pointer, detail: Sentence }), {
              maxItems: 100,
              description: 'With the code `invalid-fields`: what is wrong with which field of the row.',
            }),
          ),
        },
        { description: 'Like the problem that POST /api/v1/organizations/{id}/invitations would respond with.' },
      ),
    ),
  },
  { title: 'InvitationResult' },
)
type InvitationResult = Static<typeof InvitationResult>

export const InvitationResults = Type.Object(
  { items: Type.Array(InvitationResult, { maxItems: MAX_ROWS, description: 'One for each row, in the same order.' }) },
  { title: 'InvitationResults' },
)

/** The rows of a request: those of the JSON array, or those of the CSV. @throws Problem unreadable-csv, invalid-fields */
export async function readRows(body: unknown): Promise<readonly unknown[]> {
  if (typeof body === 'string') {
    const rows = await readCsv(body, MAX_ROWS)
    if (rows.length > MAX_ROWS) throw invalidField('', `must have at most ${MAX_ROWS} rows below the header line`)
    return rows
  }
  // Without a Content-Type there is no body, and nothing has been validated.
  if (typeof body !== 'object' || body === null) throw invalidField('/invitations', 'is required')
  return (body as Static<typeof NewInvitations>).invitations
}

interface RowRules {
  hasRecentSignIn: boolean
  problems: ProblemTable
  /** What is wrong with a value that is no NewInvitation. */
  faultsOf: (value: unknown) => FieldError[]
}

/**
 * Invites every row that can be invited; each other row gets its own reason.
 * @throws Problem email-unverified, personal-organization
 */
export async function inviteRows(
  transaction: Transaction<'tenant'>,
  place: InvitingPlace,
  given: readonly unknown[],
  { hasRecentSignIn, problems, faultsOf }: RowRules,
): Promise<Static<typeof InvitationResults>> {
  const rows: InvitationRow[] = []
  const invalid: InvitationResult[] = []
  for (const [index, value] of given.entries()) {
    const row = index + 1
    const errors = faultsOf(value)
    const read = errors.length === 0 ? readRow(value as NewInvitation) : errors
    if (!Array.isArray(read)) rows.push({ ...read, row })
    else invalid.push({ row, email: emailIn(value), result: 'invalid', problem: describe('invalid-fields', read) })
  }
  const { sent } = await sendInvitations(transaction, place, rows, hasRecentSignIn, 'keep')
  const items = sent.map(({ problem, invitation, ...rest }) => ({
    ...rest,
    ...(invitation && { invitation }),
    ...(problem && { problem: describe(problem, problem === 'invalid-fields' ? [noSuchRole] : undefined) }),
  }))
  return { items: [...items, ...invalid].sort((one, other) => one.row - other.row) }

  function describe(code: ProblemCode, errors?: FieldError[]) {
    const [, title, detail] = problems[code] ?? [500, code, '']
    return { code, title, detail, ...(errors && { errors }) }
  }
}

/** A row that matches the schema; or what is wrong with it nevertheless. */
function readRow(row: NewInvitation): Omit<InvitationRow, 'row'> | FieldError[] {
  const faults = faultsOfGuest(row)
  if (faults.length > 0) return faults
  try {
    return { ...row, ...requireGivenRole(row) }
  } catch (error) {
    if (error instanceof Problem && error.errors !== undefined) return [...error.errors]
    throw error
  }
}

/** What stands where the address belongs, to find the row again. */
function emailIn(value: unknown): string | null {
  const email = typeof value === 'object' && value !== null && 'email' in value ? value.email : null
  return typeof email === 'string' ? email.slice(0, 254).toWellFormed() : null
}
