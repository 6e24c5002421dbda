/**
 * The locks of a migration's statements on tables with rows: written as a comment above each statement, and avoided if
 * PostgreSQL has a form that does not block reads and writes. Times are for ten million rows on ordinary hardware.
 */

/** The tables before the migration, and whether each is partitioned. */
export type Tables = ReadonlyMap<string, { partitioned: boolean }>

export interface OnlineSplit {
  /** The statements of the transaction, each with its comment. */
  now: string[]
  /** The statements that run afterwards, each by itself, while the service runs. */
  online: string[]
  /** The statements that undo the second part, newest first. */
  undo: string[]
  /** Whether a statement of the down migration is already in `undo`. */
  isUndone: (statement: string) => boolean
}

const SORT = '10 to 60 seconds for 10 million rows'
const SCAN = '1 to 10 seconds for 10 million rows'
const REWRITE = '1 to 10 minutes for 10 million rows'

const schema = String.raw`(?:"?\w+"?\.)?`
const name = String.raw`"?(\w+)"?`
const alter = String.raw`^alter table (?:only )?(${schema}${name}) `

interface Rule {
  pattern: RegExp
  /** The number of the group that matches the table, without its schema. */
  table: number
  lock: (table: string, match: RegExpExecArray) => string | undefined
  /** The form that does not block others: its statements in the transaction, and those after it. */
  online?: (
    statement: string,
    match: RegExpExecArray,
    options: { partitioned: boolean },
  ) => { now?: string; online: string[]; undo?: string; undone?: RegExp } | undefined
}

const comment = (text: string, statement: string): string => `-- lock: ${text}\n${statement}`
const exact = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)

const rules: readonly Rule[] = [
  {
    pattern: new RegExp(`^create (?:unique )?index ${name} on (?:only )?(${schema}${name}) `, 'i'),
    table: 3,
    lock: table => `SHARE on ${table}: writes wait while the index is built, ${SORT}`,
    online: (statement, [, index = '', path = '', table], { partitioned }) =>
      partitioned
        ? undefined
        : {
            online: [
              comment(
                `SHARE UPDATE EXCLUSIVE on ${table}: reads and writes go on; ${SORT}, twice that when it is busy`,
                statement.replace(
                  /^create (unique )?index /i,
                  (_whole, unique: string = '') => `create ${unique}index concurrently `,
                ),
              ),
            ],
            undo: comment(
              `SHARE UPDATE EXCLUSIVE on ${table}: reads and writes go on`,
              `drop index concurrently if exists ${path.slice(0, path.lastIndexOf('.') + 1)}"${index}"`,
            ),
            undone: new RegExp(`^drop index ${schema}"?${exact(index)}"?$`, 'i'),
          },
  },
  {
    pattern: new RegExp(`${alter}add constraint ${name} (?:check|foreign key)\\b(?!.* not valid$)`, 'i'),
    table: 2,
    lock: (table, { input }) =>
      / foreign key /i.test(input)
        ? `SHARE ROW EXCLUSIVE on ${table} and the table it refers to: writes of both wait while every row is looked up, ${SORT}`
        : `ACCESS EXCLUSIVE on ${table}: everything waits while every row is checked, ${SCAN}`,
    online: (statement, match, { partitioned }) => {
      const [, path = '', table, constraint] = match
      const isKey = / foreign key /i.test(match.input)
      // PostgreSQL before 18 does not support `not valid` for foreign keys of partitioned tables.
      if (isKey && partitioned) return undefined
      return {
        now: comment(
          `${isKey ? 'SHARE ROW EXCLUSIVE' : 'ACCESS EXCLUSIVE'} on ${table}, for a moment: from now on new rows are checked`,
          `${statement} not valid`,
        ),
        online: [
          comment(
            `SHARE UPDATE EXCLUSIVE on ${table}: reads and writes go on while every row is checked, ${isKey ? SORT : SCAN}`,
            `alter table ${path}\n  validate constraint "${constraint}"`,
          ),
        ],
      }
    },
  },
  {
    pattern: new RegExp(`${alter}alter column ${name} set not null$`, 'i'),
    table: 2,
    lock: table => `ACCESS EXCLUSIVE on ${table}: everything waits while every row is checked, ${SCAN}`,
    online: (statement, [, path = '', table = '', column = '']) => {
      const constraint = `${table}_${column}`.slice(0, 56).concat('_online')
      const moment = `ACCESS EXCLUSIVE on ${table}, for a moment`
      return {
        online: [
          comment(
            `${moment}: from now on new rows are checked`,
            `alter table ${path}\n  add constraint "${constraint}" check ("${column}" is not null) not valid`,
          ),
          comment(
            `SHARE UPDATE EXCLUSIVE on ${table}: reads and writes go on while every row is checked, ${SCAN}`,
            `alter table ${path}\n  validate constraint "${constraint}"`,
          ),
          comment(`${moment}: the constraint says already that no row is null`, statement),
          comment(moment, `alter table ${path}\n  drop constraint if exists "${constraint}"`),
        ],
        undo: comment(moment, `alter table ${path}\n  alter column "${column}" drop not null`),
        undone: new RegExp(
          `^alter table ${schema}"?${exact(table)}"? alter column "?${exact(column)}"? drop not null$`,
          'i',
        ),
      }
    },
  },
  {
    pattern: new RegExp(`${alter}add constraint ${name} (?:primary key|unique|exclude)\\b(?!.* using index )`, 'i'),
    table: 2,
    lock: table =>
      `ACCESS EXCLUSIVE on ${table}: everything waits while the index is built, ${SORT}. Where that is too long: a unique index ` +
      'in an online migration, then add constraint … using index',
  },
  {
    pattern: new RegExp(`${alter}alter column ${name} (?:set data )?type `, 'i'),
    table: 2,
    lock: table =>
      `ACCESS EXCLUSIVE on ${table}: everything waits while the table and its indexes are written anew, ${REWRITE}, unless old ` +
      'and new type are stored alike. Where that is too long: a new column, filled in batches',
  },
  {
    pattern: new RegExp(`${alter}add column ${name} .*(?: default .*\\w\\(| generated )`, 'i'),
    table: 2,
    // PostgreSQL stores a constant default once, not in each row.
    lock: (table, { input }) =>
      / default (?:now\(\)|'|\w+\.?\d*$|current_\w+)/i.test(input) && !/ generated /i.test(input)
        ? undefined
        : `ACCESS EXCLUSIVE on ${table}: everything waits while every row gets its value, ${REWRITE}. Where that is too long: ` +
          'the column without a default, filled in batches',
  },
  {
    pattern: new RegExp(`${alter}attach partition (${schema}${name}) `, 'i'),
    table: 4,
    lock: table => `ACCESS EXCLUSIVE on ${table}: everything there waits while every row is checked, ${SCAN}`,
  },
  {
    pattern: new RegExp(`${alter}set (?:logged|unlogged|access method|tablespace)\\b`, 'i'),
    table: 2,
    lock: table => `ACCESS EXCLUSIVE on ${table}: everything waits while the table is written anew, ${REWRITE}`,
  },
]

const flatten = (statement: string): string => statement.replace(/\s+/g, ' ').trim()

function findRule(statement: string, tables: Tables) {
  const flat = flatten(statement)
  for (const rule of rules) {
    const match = rule.pattern.exec(flat)
    const table = tables.get(match?.[rule.table] ?? '')
    if (match !== null && table !== undefined) return { rule, match, table, name: match[rule.table]! }
  }
  return undefined
}

/** Each statement, preceded by a comment on its lock and duration if that depends on the rows of an existing table. */
export const explainLocks = (statements: readonly string[], tables: Tables): string[] =>
  statements.map(statement => {
    const found = findRule(statement, tables)
    const lock = found?.rule.lock(found.name, found.match)
    return lock === undefined ? statement : comment(lock, statement)
  })

/** Moves statements that need not block others into a second part. */
export function splitOnline(statements: readonly string[], tables: Tables): OnlineSplit {
  const split = { now: [] as string[], online: [] as string[], undo: [] as string[] }
  const undone: RegExp[] = []
  for (const statement of statements) {
    const found = findRule(statement, tables)
    const forms = found?.rule.online?.(statement, found.match, found.table)
    if (forms === undefined) {
      split.now.push(...explainLocks([statement], tables))
      continue
    }
    if (forms.now !== undefined) split.now.push(forms.now)
    split.online.push(...forms.online)
    if (forms.undo !== undefined) split.undo.unshift(forms.undo)
    if (forms.undone !== undefined) undone.push(forms.undone)
  }
  return { ...split, isUndone: statement => undone.some(pattern => pattern.test(flatten(statement))) }
}
