import type { FastifyReply } from 'fastify'
import { createOwnLimit } from '../../platform/server/rate-limit.ts'
import type { RateLimitOptions } from '../../platform/server/rate-limit.ts'
import type { ProgramLimits } from './program.ts'

/** Requests per minute with the key of one license, from all of its devices together. */
const PER_LICENSE = 6000
/** New activations and deactivations of one license per minute: each is an entry of its organization's audit log. */
const CHANGES_PER_LICENSE = 600
/** Lists of the devices of one license per minute: each can read past all that have expired within a day. */
const LISTS_PER_LICENSE = 60

/** Rules of the routes of programs: open to anyone, and counted by the license, or by the address if the key is unknown. */
export const programRules = { access: 'public', noStore: true, countsItself: true } as const

declare module '../../platform/services.ts' {
  interface Services {
    /** The limits of one request of a program, from a client's address. */
    readonly limitsOfPrograms: (reply: FastifyReply, address: string) => ProgramLimits
  }
}

/** The limits of programs in this process, for all of their routes. */
export function limitPrograms(options: RateLimitOptions): (reply: FastifyReply, address: string) => ProgramLimits {
  const licenses = createOwnLimit(options, 'license', PER_LICENSE)
  const changes = createOwnLimit(options, 'license-changes', CHANGES_PER_LICENSE)
  const lists = createOwnLimit(options, 'license-lists', LISTS_PER_LICENSE)
  const guesses = createOwnLimit(options, 'client', options.perMinute)
  return (reply, address) => ({
    requireLeft: license => licenses.requireLeft(reply, license),
    countUse: license => licenses.count(reply, license),
    changes: {
      requireLeft: license => changes.requireLeft(reply, license),
      count: license => changes.count(reply, license),
    },
    lists: { requireLeft: license => lists.requireLeft(reply, license), count: license => lists.count(reply, license) },
    countGuess: () => guesses.count(reply, address),
  })
}
