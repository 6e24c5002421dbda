import { feature } from '../../platform/feature.ts'

/** The platform role: the first superuser, and superusers from the command line. */
export const superusers = feature({
  name: 'superusers',
  uses: ['users', 'sessions', 'accounts', 'passwords'],
})
