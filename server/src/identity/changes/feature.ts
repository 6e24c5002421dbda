import { feature } from '../../platform/feature.ts'
import { undoToken } from './changes.ts'

/** Changes of ways in: written down, told by mail, and kept in such a way that they can be undone. */
export const changes = feature({
  name: 'changes',
  uses: ['users', 'history'],
  tokens: [undoToken],
})
