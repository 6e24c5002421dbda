import type { Config } from '../../config/config.ts'
import { usesOutbox } from '../mail/outbox.ts'
import type { Link } from './html.ts'

/** The pages for developers that this service shows to everyone, in the order in which a newcomer needs them. */
export const developerLinks = (config: Pick<Config, 'environment' | 'mail' | 'publicDocuments'>): readonly Link[] => [
  ...(config.publicDocuments
    ? [
        { text: 'API', href: '/docs' },
        { text: 'Reference', href: '/redoc' },
      ]
    : []),
  { text: 'Problems', href: '/problems' },
  ...(usesOutbox(config) ? [{ text: 'Emails', href: '/dev/mail' }] : []),
]
