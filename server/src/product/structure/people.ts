import { Type } from 'typebox'
import { orderOf, pagesOf } from '../../platform/database/pagination.ts'
import type { Page } from '../../platform/database/pagination.ts'
import { affect, execute, get, tables } from '../../platform/database/statement.ts'
import type { Place } from '../../platform/http/resource.ts'
import { Email, Id, Name, Nullable, Time, Username } from '../../platform/schemas.ts'
import { departmentColumns } from './departments.ts'

const query = tables('tenant', 'departments', 'department_people', 'memberships', 'users')

/** A member who is assigned to a department. */
export const DepartmentPerson = Type.Object(
  {
    user_id: Id,
    email: Email,
    username: Nullable(Username),
    full_name: Nullable(Name),
    title: Nullable(Name),
    assigned_at: Time,
  },
  { title: 'DepartmentPerson' },
)

const peoplePages = pagesOf(({ organization_id, department_id }: { organization_id: string; department_id: string }) =>
  query
    .selectFrom('department_people')
    .innerJoin('memberships', join =>
      join
        .onRef('memberships.organization_id', '=', 'department_people.organization_id')
        .onRef('memberships.user_id', '=', 'department_people.user_id'),
    )
    .innerJoin('users', 'users.id', 'department_people.user_id')
    .select(['department_people.user_id', 'users.email', 'users.username', 'users.full_name', 'memberships.title'])
    .select('department_people.created_at as assigned_at')
    .where('department_people.organization_id', '=', organization_id)
    .where('department_people.department_id', '=', department_id)
    .where('memberships.deleted_at', 'is', null),
)

/** The people of one department, in the order of their ids. */
export const listPeople = ({ organization_id }: Place, department_id: string, page: Page) =>
  peoplePages({ organization_id, department_id }, orderOf('created_at', 'department_people', 'user_id'), page)

const departmentPages = pagesOf(({ organization_id, user_id }: { organization_id: string; user_id: string }) =>
  query
    .selectFrom('department_people')
    .innerJoin('departments', join =>
      join
        .onRef('departments.organization_id', '=', 'department_people.organization_id')
        .onRef('departments.id', '=', 'department_people.department_id'),
    )
    .innerJoin('memberships', join =>
      join
        .onRef('memberships.organization_id', '=', 'department_people.organization_id')
        .onRef('memberships.user_id', '=', 'department_people.user_id'),
    )
    .select(departmentColumns)
    .where('department_people.organization_id', '=', organization_id)
    .where('department_people.user_id', '=', user_id)
    .where('memberships.deleted_at', 'is', null),
)

/** The departments of one member, the oldest first. */
export const listDepartmentsOfPerson = ({ organization_id }: Place, user_id: string, page: Page) =>
  departmentPages({ organization_id, user_id }, orderOf('created_at', 'department_people', 'department_id'), page)

/** A current member, whom an empty list is about. @throws Problem not-found */
export const getPerson = ({ organization_id }: Place, user_id: string) =>
  get(
    query
      .selectFrom('memberships')
      .select('user_id')
      .where('organization_id', '=', organization_id)
      .where('user_id', '=', user_id)
      .where('deleted_at', 'is', null),
  )

/** Assigns a current member to a department; one who is assigned already stays. @throws Problem not-found */
export const assignPerson = ({ organization_id, user_id: created_by }: Place, department_id: string, user_id: string) =>
  execute(
    query
      .insertInto('department_people')
      .values({ organization_id, department_id, user_id, created_by })
      .onConflict(conflict => conflict.doNothing())
      .returning('user_id'),
    {
      department_people_department_fkey: 'not-found',
      department_people_user_fkey: 'not-found',
      department_people_member: 'not-found',
    },
  )

/** Ends an assignment, also of a former member. @throws Problem not-found */
export const dismissPerson = ({ organization_id }: Place, department_id: string, user_id: string) =>
  affect(
    query
      .deleteFrom('department_people')
      .where('organization_id', '=', organization_id)
      .where('department_id', '=', department_id)
      .where('user_id', '=', user_id)
      .returning('user_id'),
  )
