import { Type } from 'typebox'
import { IdParams, OneOf, PageQueryOf, PageSchema } from '../../platform/schemas.ts'
import { claimSlug } from '../../platform/slugs.ts'
import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { Pages } from '../../platform/http/cursors.ts'
import type { App } from '../../platform/http/route.ts'
import {
  createProject,
  deleteProject,
  getProject,
  listProjects,
  NewProject,
  Project,
  ProjectChanges,
  ProjectReplacement,
  projectSorts,
  updateProject,
} from './projects.ts'

const ProjectQuery = PageQueryOf({
  sort: OneOf(projectSorts, { default: '-created_at' }),
  status: Type.Optional(OneOf(['active', 'archived'])),
})

export function projectRoutes(app: App, pages: Pages): void {
  app.get(
    '/projects',
    {
      access: 'projects:read',
      schema: {
        operationId: 'listProjects',
        summary: 'List projects',
        tags: ['Projects'],
        querystring: ProjectQuery,
        response: { 200: PageSchema(Project) },
      },
    },
    request => request.actor.run(listProjects(request.actor.organization_id, request.query, pages.open(request))),
  )

  app.post(
    '/projects',
    {
      access: 'projects:write',
      tagged: true,
      problems: ['project-slug-taken'],
      schema: {
        operationId: 'createProject',
        summary: 'Create a project',
        tags: ['Projects'],
        body: NewProject,
        response: { 201: Project },
      },
    },
    async (request, reply) => {
      const { actor, body } = request
      const project = await claimSlug(body, 'project-slug-taken', slug =>
        actor.run(createProject(actor.organization_id, actor.user_id, { ...body, slug })),
      )
      reply.code(201).header('location', `/api/v1/projects/${project.id}`)
      return sendTagged(reply, project.id, project)
    },
  )

  app.get(
    '/projects/:id',
    {
      access: 'projects:read',
      tagged: true,
      schema: {
        operationId: 'getProject',
        summary: 'Read a project',
        tags: ['Projects'],
        params: IdParams,
        response: { 200: Project },
      },
    },
    async (request, reply) => {
      const project = await request.actor.run(getProject(request.actor.organization_id, request.params.id))
      return sendTagged(reply, project.id, project)
    },
  )

  for (const [method, name, body] of [
    ['PATCH', 'update', ProjectChanges],
    ['PUT', 'replace', ProjectReplacement],
  ] as const) {
    app.route({
      method,
      url: '/projects/:id',
      access: 'projects:write',
      tagged: true,
      problems: ['project-slug-taken'],
      schema: {
        operationId: `${name}Project`,
        summary: 'Change a project',
        tags: ['Projects'],
        params: IdParams,
        body,
        response: { 200: Project },
      },
      handler: async (request, reply) => {
        const { actor, params } = request
        const changes =
          method === 'PUT' ? { description: null, status: 'active' as const, ...request.body } : request.body
        const project = await actor.run(
          updateProject(actor.organization_id, params.id, changes, conditionOf(request, params.id)),
        )
        return sendTagged(reply, project.id, project)
      },
    })
  }

  app.delete(
    '/projects/:id',
    {
      access: 'projects:write',
      tagged: true,
      schema: {
        operationId: 'deleteProject',
        summary: 'Delete a project',
        tags: ['Projects'],
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { actor, params } = request
      await actor.run(deleteProject(actor.organization_id, params.id, conditionOf(request, params.id)))
      return reply.code(204).send(null)
    },
  )
}
