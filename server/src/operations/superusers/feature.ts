import { feature } from '../../platform/feature.ts'

/** The platform role: the first superuser, superusers from the command line, and what all lists of operators have in common. */
export const superusers = feature({
  name: 'superusers',
  uses: ['users', 'sessions', 'organizations', 'accounts', 'passwords'],
})
