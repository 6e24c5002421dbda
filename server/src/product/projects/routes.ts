import { resource } from '../../platform/http/resource.ts'
import {
  createProject,
  deleteProject,
  getProject,
  listProjects,
  NewProject,
  Project,
  ProjectChanges,
  projectFilters,
  updateProject,
} from './projects.ts'

export const projectRoutes = resource({
  path: '/projects',
  name: { one: 'project' },
  tag: 'Projects',
  read: 'projects:read',
  write: 'projects:write',
  schema: { item: Project, create: NewProject, update: ProjectChanges, filters: projectFilters },
  list: listProjects,
  get: getProject,
  create: createProject,
  update: updateProject,
  remove: deleteProject,
  slugTaken: 'project-slug-taken',
  createProblems: ['quota-exhausted'],
})
