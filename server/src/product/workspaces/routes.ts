import { resource } from '../../platform/http/resource.ts'
import {
  createWorkspace,
  deleteWorkspace,
  getWorkspace,
  listWorkspaces,
  NewWorkspace,
  updateWorkspace,
  Workspace,
  WorkspaceChanges,
  workspaceFilters,
} from './workspaces.ts'

export const workspaceRoutes = resource({
  path: '/workspaces',
  name: { one: 'workspace' },
  tag: 'Workspaces',
  read: 'workspaces:read',
  write: 'workspaces:write',
  schema: { item: Workspace, create: NewWorkspace, update: WorkspaceChanges, filters: workspaceFilters },
  list: listWorkspaces,
  get: getWorkspace,
  create: createWorkspace,
  update: updateWorkspace,
  remove: deleteWorkspace,
  createProblems: ['quota-exhausted'],
})
