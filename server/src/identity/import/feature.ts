import { feature } from '../../platform/feature.ts'

/** The import of accounts from another system: `freehold import users`. */
export const accountImport = feature({
  name: 'account-import',
  uses: ['users', 'organizations', 'accounts', 'passwords'],
})
