import { feature } from '../../platform/feature.ts'

/** Accounts from another system: `freehold import users`. */
export const accountImport = feature({
  name: 'account-import',
  uses: ['users', 'organizations', 'accounts', 'passwords'],
})
