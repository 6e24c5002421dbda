import type { PermissionTable } from '../gate/permissions.ts'
import { PermissionName } from '../schemas.ts'
import type { Json } from './components.ts'

/** The schema `Permission` of the document: all permissions that the features declare. */
export const permissionSchemaOf = (permissions: PermissionTable): Json => ({
  ...PermissionName,
  description:
    'A permission of this version. Later versions may have more: a client ignores those that it does not know, ' +
    'and a permission that is added is not a breaking change.',
  enum: Object.keys(permissions).sort(),
})
