import { feature } from '../../platform/feature.ts'

/** The terms of licences, which operators define. */
export const licensePlans = feature({
  name: 'license-plans',
  uses: ['limits'],
  sql: [new URL('license-plans.sql', import.meta.url)],
})
