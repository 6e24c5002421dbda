import { feature } from '../../platform/feature.ts'
import { fileKeyRoutes, licenseFileRoutes } from './routes.ts'

/** License files, with which programs work offline, and the keys that sign them. */
export const licenseFiles = feature({
  name: 'license-files',
  uses: ['license-plans', 'license-activations'],
  sql: [new URL('license-files.sql', import.meta.url)],
  tags: { 'License files': 'Signed texts with which programs work offline.' },
  routes: [licenseFileRoutes],
  rootRoutes: [fileKeyRoutes],
})
