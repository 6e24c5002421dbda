import { Type } from 'typebox'
import { placeOf } from '../../platform/http/resource.ts'
import type { App } from '../../platform/http/route.ts'
import type { Services } from '../../platform/services.ts'
import { createWorkspace, deleteWorkspace, getWorkspace, listWorkspaces } from '../../product/workspaces/workspaces.ts'
import {
  AnyQuery,
  Done,
  NewV5Session,
  SessionPage,
  SessionParams,
  sessionOf,
  success,
  Success,
  V5Session,
} from './messages.ts'

/** The sessions of v5 are workspaces. */
export function sessionRoutes(app: App, { cursors }: Pick<Services, 'cursors'>): void {
  const [read, write] = [{ access: 'workspaces:read' }, { access: 'workspaces:write' }] as const
  const tags = ['Workspaces']
  const single = { tags, querystring: AnyQuery, params: SessionParams }

  app.get(
    '/sessions',
    {
      ...read,
      schema: {
        tags,
        operationId: 'v5ListSessions',
        summary: 'List sessions, newest first',
        description: 'If there are more than `limit`, the `Link` header has the address of the next page (RFC 8288).',
        querystring: SessionPage,
        response: { 200: Success(Type.Array(V5Session, { maxItems: 100 })) },
      },
    },
    async (request, reply) => {
      const { actor, originalUrl } = request
      // Other parameters are ignored: a cursor would otherwise depend on them.
      const { limit, cursor } = request.query
      request.query = { limit, ...(cursor !== undefined && { cursor }) }
      const found = await actor.run(listWorkspaces(actor, { sort: '-created_at' }, cursors.open(request)))
      if (found.next_cursor !== null) {
        const next = new URLSearchParams({ limit: String(limit), cursor: found.next_cursor })
        reply.header('link', `<${originalUrl.split('?', 1)[0]}?${next}>; rel="next"`)
      }
      return success(found.items.map(sessionOf))
    },
  )

  app.post(
    '/sessions',
    {
      ...write,
      problems: ['quota-exhausted'],
      schema: {
        tags,
        querystring: AnyQuery,
        operationId: 'v5CreateSession',
        summary: 'Create a session',
        body: NewV5Session,
        response: { 201: Success(V5Session) },
      },
    },
    async ({ actor, body }, reply) => {
      const { name, workspacePath: workspace_path, projectId: project_id = null } = body
      const made = await actor.run(createWorkspace(placeOf(actor), { name, workspace_path, project_id }))
      return reply.code(201).send(success(sessionOf(made)))
    },
  )

  app.get(
    '/sessions/:id',
    {
      ...read,
      schema: {
        ...single,
        operationId: 'v5GetSession',
        summary: 'Get a session',
        response: { 200: Success(V5Session) },
      },
    },
    async ({ actor, params }) => success(sessionOf(await actor.run(getWorkspace(actor, params.id)))),
  )

  app.delete(
    '/sessions/:id',
    {
      ...write,
      schema: { ...single, operationId: 'v5DeleteSession', summary: 'Delete a session', response: { 200: Done } },
    },
    async ({ actor, params }) => {
      await actor.run(deleteWorkspace(actor, params.id, undefined))
      return success(null)
    },
  )
}
