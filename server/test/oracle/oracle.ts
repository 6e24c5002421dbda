import { after } from 'node:test'
import pg from 'pg'
import { features } from '../../src/features.ts'
import { declare } from '../../src/platform/declarations.ts'
import { read, standingOf, write } from './model.ts'
import type { Answers } from './model.ts'
import { forbidden, lateWritings, loads, readings, writings } from './statements.ts'
import { changes, changeWorld, createQuestion } from './question.ts'
import type { Question } from './question.ts'
import { createRandom, createWorld } from './world.ts'
import type { World } from './world.ts'
import { createOwnDatabase } from '../own-database.ts'

// Asks the database what the model answers. Three functions, which the tenant login runs with its own rights and under
// all policies, take many questions at once; each answers every part of each question.

const declared = declare(features)
const permissions: Readonly<Record<string, string>> = declared.permissions
const words = Object.keys(permissions)
const given = process.env['ORACLE_SEED']
/** From ORACLE_SEED, or random; it determines everything that a run does. */
export const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
/** The number of decisions to compare. A million selects the long mode, which includes every mutation. */
export const decisions = Number(process.env['ORACLE_DECISIONS'] ?? 10_000)
export const isLong = decisions >= 1_000_000
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(decisions))
  throw new Error('ORACLE_SEED and ORACLE_DECISIONS are whole numbers')

/** The number of questions for each world, and in one round trip. */
const QUESTIONS = 50
const AT_ONCE = 25

const texts = [
  'session_id',
  'organization_id',
  'permission',
  'support_id',
  'requires',
  'role',
  'word',
  'kind',
  'flaw',
  'change',
]
const sample = createRandom(0)
const fields = Object.keys(createQuestion(sample, createWorld(sample, words, declared.supportPermissions), words))

const writingParts = [...Object.keys(writings), ...forbidden]

/** plpgsql that tries each statement and undoes it; deferred triggers are run before the undo. */
const tries = (statements: readonly (readonly string[])[]): string =>
  statements
    .map(
      parts => `changed := 0; said := null;
      begin
        ${parts
          .map(part =>
            /^(insert|update|delete|perform from)/.test(part)
              ? `${part}; get diagnostics found = row_count; changed := changed + found;`
              : `${part};`,
          )
          .join('\n        ')}
        set constraints all immediate;
        raise exception using errcode = 'OR000';
      exception when others then
        answers := answers || case sqlstate when 'OR000' then coalesce(said, changed::text) when '42501' then '0'
          when '23514' then 'rule' when '23503' then 'rule' when '23505' then 'exists' else sqlstate || ' ' || sqlerrm end;
      end;`,
    )
    .join('\n      ')

const asking = (name: string, body: string): string => `
  create function oracle.${name}(questions jsonb) returns table (answers text[]) language plpgsql volatile
    set search_path = freehold, oracle, pg_temp as $$
  declare
    q oracle.question;
    found integer;
    changed integer;
    said text;
  begin
    for q in select * from jsonb_populate_recordset(null::oracle.question, questions) loop
      perform set_config('app.session_id', q.session_id, true), set_config('app.organization_id', q.organization_id, true),
        set_config('app.permission', q.permission, true), set_config('app.support_id', q.support_id, true),
        set_config('app.requires', q.requires, true),
        -- what is forged: history names the user of the session all the same
        set_config('app.context', jsonb_build_object('request_id', 'oracle', 'ip', '', 'user_agent', '', 'user_id', q.person)::text, true);
      answers := '{}';
      ${body}
      return next;
    end loop;
  end $$;`

const setup = `
  create schema oracle;
  create type oracle.question as (${fields.map(name => `${name} ${texts.includes(name) ? 'text' : 'uuid'}`).join(', ')});
  create function oracle.last_actor() returns text language sql stable security definer as $$
    select actor_id::text from freehold.audit_log where transaction = pg_current_xact_id() order by sequence desc limit 1 $$;
  -- Past every trigger, as if another transaction had done it.
  create function oracle.change_meanwhile(q oracle.question) returns void language plpgsql security definer
    set search_path = freehold, pg_temp set session_replication_role = replica as $$
  begin
    case q.change ${Object.entries(changes)
      .map(([name, { sql }]) => `when ${pg.escapeLiteral(name)} then ${sql};`)
      .join('\n      ')}
    end case;
  end $$;
  ${asking('read', `answers := array[${Object.values(readings).join(',\n        ')}];`)}
  ${asking('write', tries([...Object.values(writings), ...forbidden.map(statement => [statement])]))}
  ${asking('write_late', tries(Object.values(lateWritings)))}
  grant usage on schema oracle to freehold_tenant;
  grant execute on all functions in schema oracle to freehold_tenant;`

export interface Difference {
  seed: number
  part: string
  model: string
  database: string
  question: Question
}
export interface Wanted {
  /** Ends at the first difference. */
  untilDifferent?: boolean
  /** Asks only these. */
  only?: (world: World, question: Question) => boolean
  /** Asks only what is visible, and tries no change. */
  readsOnly?: boolean
}
export interface Comparison {
  decisions: number
  differences: Difference[]
}

/** Whether the caller of a question may do something, by a permission or as the account's own user. */
export function isAllowed(world: World, question: Question): boolean {
  const { open, live } = standingOf(world, permissions, question)
  return open || (live && question.permission === '')
}

/** Whether the question is about an ended membership, whose user's account is deleted too. */
export const isAboutDeletedMember = (world: World, { place, member }: Question): boolean =>
  world.memberships.some(row => row.organization_id === place && row.user_id === member && row.deleted) &&
  world.users.some(({ id, deleted }) => id === member && deleted)

/** Whether the question is what an owner may do without the required second factor. */
export const isOwnerWithoutFactor = (world: World, question: Question): boolean => {
  const { live, lacksFactor, membership } = standingOf(world, permissions, question)
  return live && lacksFactor && membership?.role === 'owner' && question.permission.startsWith('organization:')
}

/** A separate database, so that the tables contain nothing else and the definitions can be changed. */
export async function createOracle() {
  const { admin, tenantUrl } = await createOwnDatabase()
  await admin.query(setup)
  const tenant = new pg.Client({ connectionString: tenantUrl })
  await tenant.connect()
  after(() => tenant.end())

  async function loadWorld(world: World): Promise<void> {
    const client = await admin.connect()
    try {
      await client.query('begin; set local session_replication_role = replica')
      await client.query(
        'truncate default_allowance, users, organizations, support_grants, roles, custom_role_permissions, memberships, sessions, projects, invitations, audit_log, devices, identities, passkeys, totp_factors, recovery_codes, idempotency_keys, retired_names cascade',
      )
      for (const [of, type, into, values] of loads)
        await client.query(`insert into ${into} select ${values} from jsonb_to_recordset($1) as r (${type})`, [
          JSON.stringify(world[of]),
        ])
      await client.query(`insert into retired_names (digest) values ('x'); commit`)
    } finally {
      client.release()
    }
  }

  async function ask(name: string, questions: Question[]): Promise<string[][]> {
    try {
      const { rows } = await tenant.query<{ answers: string[] }>(`select answers from oracle.${name}($1)`, [
        JSON.stringify(questions),
      ])
      return rows.map(({ answers }) => answers)
    } catch (error) {
      // For example a gate of two rows: the comparison reports it as a difference.
      if (error instanceof pg.DatabaseError) return questions.map(() => [error.message])
      throw error
    }
  }

  /** A world of this seed, asked and compared. */
  async function compareWorld(
    seed: number,
    { untilDifferent = false, only, readsOnly }: Wanted = {},
  ): Promise<Comparison> {
    const random = createRandom(seed)
    const world = createWorld(random, words, declared.supportPermissions)
    const questions = random
      .times(only === undefined ? QUESTIONS : 4 * QUESTIONS, () => createQuestion(random, world, words))
      .filter(question => only === undefined || only(world, question))
    const comparison: Comparison = { decisions: 0, differences: [] }
    if (questions.length === 0) return comparison
    await loadWorld(world)
    const compare = (
      asked: Question[],
      names: string[],
      given: string[][],
      answer: (question: Question) => Answers,
    ) => {
      for (const [n, question] of asked.entries()) {
        const expected = answer(question)
        for (const [index, database] of given[n]!.entries()) {
          const part = names[index]!
          const model = part in expected ? expected[part]! : '0'
          comparison.decisions++
          if (model === database) continue
          comparison.differences.push({ seed, part, model, database, question })
        }
      }
      return untilDifferent && comparison.differences.length > 0
    }
    for (let from = 0; from < questions.length; from += AT_ONCE) {
      const some = questions.slice(from, from + AT_ONCE)
      const reads = (question: Question) => read(world, permissions, question)
      const writes = (question: Question) => write(world, permissions, question, changeWorld(world, question))
      if (compare(some, Object.keys(readings), await ask('read', some), reads)) break
      if (readsOnly === true) continue
      if (compare(some, writingParts, await ask('write', some), writes)) break
      if (compare(some, Object.keys(lateWritings), await ask('write_late', some), writes)) break
    }
    return comparison
  }

  return { admin, compareWorld }
}
