import { feature } from '../../platform/feature.ts'
import { longRetries } from '../../platform/jobs/jobs.ts'

/** The emails of all features, composed at the time of sending from the tokens and events that cause them. */
export const notifications = feature({
  name: 'notifications',
  uses: ['users', 'organizations', 'history'],
  jobs: {
    mail: {
      queue: { ...longRetries, deleteAfterSeconds: 86400 },
      concurrency: 3,
      pollingSeconds: 1,
      // Loaded only by processes that run jobs: the template engine and the mail client would delay every start.
      handler: async tools => (await import('./mail.ts')).mailHandler(tools),
    },
  },
})
