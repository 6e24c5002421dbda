import { feature } from '../../platform/feature.ts'

/** Who holds the platform role: the first superuser, and those whom the command line makes. */
export const superusers = feature({
  name: 'superusers',
  uses: ['users', 'sessions', 'accounts', 'passwords'],
})
