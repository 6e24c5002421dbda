import { Type } from 'typebox'
import { resource } from '../../platform/http/resource.ts'
import { OneOf } from '../../platform/schemas.ts'
import {
  createProject,
  deleteProject,
  getProject,
  listProjects,
  NewProject,
  Project,
  ProjectChanges,
  projectSorts,
  updateProject,
} from './projects.ts'

export const projectRoutes = resource({
  path: '/projects',
  name: { one: 'project' },
  tag: 'Projects',
  read: 'projects:read',
  write: 'projects:write',
  schema: {
    item: Project,
    create: NewProject,
    update: ProjectChanges,
    filters: {
      sort: OneOf(projectSorts, { default: '-created_at' }),
      status: Type.Optional(OneOf(['active', 'archived'])),
    },
  },
  list: listProjects,
  get: getProject,
  create: createProject,
  update: updateProject,
  remove: deleteProject,
  slugTaken: 'project-slug-taken',
})
