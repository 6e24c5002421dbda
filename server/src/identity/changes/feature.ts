import { feature } from '../../platform/feature.ts'
import { undoToken } from './changes.ts'

/** Changes of sign-in methods: recorded, notified by email, and stored so that they can be undone. */
export const changes = feature({
  name: 'changes',
  uses: ['users', 'history'],
  tokens: [undoToken],
})
