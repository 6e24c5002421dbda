import { feature } from '../../platform/feature.ts'
import { healthRoutes } from './routes.ts'

/** Whether the service works, and the public keys of its access tokens. */
export const health = feature({
  name: 'health',
  tags: { System: 'Health, keys and documents.' },
  rootRoutes: [healthRoutes],
})
