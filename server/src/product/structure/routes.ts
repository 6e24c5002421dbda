import { Type } from 'typebox'
import type { Page, PageOf } from '../../platform/database/pagination.ts'
import type { Statement } from '../../platform/database/statement.ts'
import type { Actor } from '../../platform/gate/actor.ts'
import { resource } from '../../platform/http/resource.ts'
import type { App } from '../../platform/http/route.ts'
import { IdOf, PageQueryOf, PageSchema, Strict } from '../../platform/schemas.ts'
import type { Services } from '../../platform/services.ts'
import {
  Branch,
  BranchChanges,
  branchFilters,
  createBranch,
  deleteBranch,
  getBranch,
  listBranches,
  NewBranch,
  updateBranch,
} from './branches.ts'
import {
  Company,
  CompanyChanges,
  companyFilters,
  createCompany,
  deleteCompany,
  getCompany,
  listCompanies,
  NewCompany,
  updateCompany,
} from './companies.ts'
import {
  createDepartment,
  deleteDepartment,
  Department,
  DepartmentChanges,
  departmentFilters,
  getDepartment,
  listDepartments,
  NewDepartment,
  updateDepartment,
} from './departments.ts'
import {
  assignPerson,
  DepartmentPerson,
  dismissPerson,
  getPerson,
  listDepartmentsOfPerson,
  listPeople,
} from './people.ts'
import { previewBranch, previewCompany, previewDepartment, Removal } from './removal.ts'
import { getTree, StructureTree, TreeQuery } from './tree.ts'

const shared = { tag: 'Structure', read: 'structure:read', write: 'structure:write' } as const

export const companyRoutes = resource({
  ...shared,
  path: '/org/companies',
  name: { one: 'company', many: 'companies' },
  schema: { item: Company, create: NewCompany, update: CompanyChanges, filters: companyFilters },
  list: listCompanies,
  get: getCompany,
  create: createCompany,
  update: updateCompany,
  remove: deleteCompany,
  preview: { schema: Removal, get: previewCompany },
  problems: ['company-code-taken'],
})

export const branchRoutes = resource({
  ...shared,
  path: '/org/branches',
  name: { one: 'branch', many: 'branches' },
  schema: { item: Branch, create: NewBranch, update: BranchChanges, filters: branchFilters },
  list: listBranches,
  get: getBranch,
  create: createBranch,
  update: updateBranch,
  remove: deleteBranch,
  preview: { schema: Removal, get: previewBranch },
  problems: ['branch-code-taken', 'department-code-taken'],
})

export const departmentRoutes = resource({
  ...shared,
  path: '/org/departments',
  name: { one: 'department' },
  schema: { item: Department, create: NewDepartment, update: DepartmentChanges, filters: departmentFilters },
  list: listDepartments,
  get: getDepartment,
  create: createDepartment,
  update: updateDepartment,
  remove: deleteDepartment,
  preview: { schema: Removal, get: previewDepartment },
  problems: [
    'department-code-taken',
    'parent-in-another-company',
    'parent-in-another-branch',
    'department-below-itself',
    'department-too-deep',
  ],
})

const tags = [shared.tag]
const DepartmentParams = Strict({ id: IdOf('department') })
const AssignmentParams = Strict({ id: IdOf('department'), user_id: IdOf('user') })

/** A list below a resource; an empty page, or a cursor of another list, may mean that there is no such resource. */
async function listBelow<Item>(
  actor: Actor,
  resource: Statement<'tenant', unknown>,
  list: Statement<'tenant', PageOf<Item>>,
  page: Page,
): Promise<PageOf<Item>> {
  if (page.refusal !== undefined) await actor.run(resource)
  const found = await actor.run(list)
  if (found.items.length === 0) await actor.run(resource)
  return found
}

/** The tree, and the people in departments. */
export function structureRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  app.get(
    '/org/tree',
    {
      access: shared.read,
      problems: ['structure-too-large'],
      schema: {
        operationId: 'getStructureTree',
        summary: 'Get the structure as a tree',
        description: 'At most 20000 nodes. Siblings are in the order of their codes.',
        tags,
        querystring: TreeQuery,
        response: { 200: StructureTree },
      },
    },
    async (request, reply) => {
      const { actor, query } = request
      // The schema refers to itself, and the tree is only ours: it needs no serializer.
      const tree = JSON.stringify(await actor.run(getTree(actor, query)))
      return reply.type('application/json; charset=utf-8').send(tree as never)
    },
  )

  app.get(
    '/org/departments/:id/people',
    {
      access: shared.read,
      schema: {
        operationId: 'listDepartmentPeople',
        summary: 'List the people of a department',
        description: 'Only current members, and only those of this department itself.',
        tags,
        params: DepartmentParams,
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(DepartmentPerson) },
      },
    },
    async request => {
      const { actor, params } = request
      const page = cursors.open(request)
      return listBelow(actor, getDepartment(actor, params.id), listPeople(actor, params.id, page), page)
    },
  )

  app.put(
    '/org/departments/:id/people/:user_id',
    {
      access: shared.write,
      schema: {
        operationId: 'assignPerson',
        summary: 'Assign a member to a department',
        description: 'A member may be assigned to several departments.',
        tags,
        params: AssignmentParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, params } = request
      await actor.run(assignPerson(actor, params.id, params.user_id))
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/org/departments/:id/people/:user_id',
    {
      access: shared.write,
      schema: {
        operationId: 'dismissPerson',
        summary: 'End the assignment of a member to a department',
        tags,
        params: AssignmentParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, params } = request
      await actor.run(dismissPerson(actor, params.id, params.user_id))
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/org/people/:user_id/departments',
    {
      access: shared.read,
      schema: {
        operationId: 'listDepartmentsOfPerson',
        summary: 'List the departments of a member',
        tags,
        params: Strict({ user_id: IdOf('user') }),
        querystring: PageQueryOf({}),
        response: { 200: PageSchema(Department) },
      },
    },
    async request => {
      const { actor, params } = request
      const page = cursors.open(request)
      const list = listDepartmentsOfPerson(actor, params.user_id, page)
      return listBelow(actor, getPerson(actor, params.user_id), list, page)
    },
  )
}
