import type { SystemRunner } from '../database/database.ts'
import type { Services } from '../services.ts'

export const componentStates = ['healthy', 'degraded', 'unhealthy', 'disabled'] as const

/** The state of one part of the service. */
export interface ComponentHealth {
  /** `degraded`: it works, but not as it should. `disabled`: it is not configured, or turned off. */
  status: (typeof componentStates)[number]
  /** For the operator, in one sentence: what is wrong, and what to do. */
  message?: string
  /** Numbers and words, never personal data. */
  details?: Readonly<Record<string, string | number | boolean | null>>
}

/** Finds out the state of a component. It is given up after two seconds; if it throws, the component is unhealthy. */
export type HealthCheck = (tools: {
  services: Services
  system: SystemRunner
}) => ComponentHealth | Promise<ComponentHealth>
