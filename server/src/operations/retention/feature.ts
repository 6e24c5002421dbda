import { feature } from '../../platform/feature.ts'
import { scheduled } from '../../platform/jobs/jobs.ts'
import { sweep } from './retention.ts'

/** Deletes expired rows, every hour. Each feature declares what expires in its own tables. */
export const retention = feature({
  name: 'retention',
  uses: ['users', 'leaving'],
  jobs: {
    sweep: {
      queue: scheduled,
      concurrency: 1,
      pollingSeconds: 30,
      schedule: '17 * * * *',
      handler:
        ({ system, services }) =>
        (_data, _id, signal) =>
          sweep(system, services, signal),
    },
  },
})
