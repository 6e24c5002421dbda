import { feature } from '../../platform/feature.ts'
import { longRetries } from '../../platform/jobs/jobs.ts'

/** The mails of all features: composed when they are sent, from the tokens and events that ask for them. */
export const notifications = feature({
  name: 'notifications',
  uses: ['users', 'organizations', 'history'],
  jobs: {
    mail: {
      queue: { ...longRetries, deleteAfterSeconds: 86400 },
      concurrency: 3,
      pollingSeconds: 1,
      // Loaded only where jobs are done: the template engine and the mail client would delay every start.
      handler: async tools => (await import('./mail.ts')).mailHandler(tools),
    },
  },
})
