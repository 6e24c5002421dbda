import assert from 'node:assert/strict'
import { kindsOf } from './operations.ts'
import type { Operation } from './operations.ts'
import type { Request } from './requests.ts'
import { countSupportRequests } from './world.ts'
import type { MakeWorld, World } from './world.ts'
import type { Answer, TestApp } from '../test-app.ts'

export type Send = (request: (world: World) => Request, headers: Record<string, string>) => Promise<[World, Answer]>

/**
 * Sends the requests of an attacker. After one that may have changed something, or that counts as a guess, the next one
 * has a new world.
 */
export function createCallers({ method, plain = {} }: Operation, makeWorld: () => World | Promise<World>): Send {
  const counts = Object.keys(plain).some(name => /password|proof|code|token|key/.test(name))
  let kept: World | undefined
  return async (build, headers) => {
    const world = kept ?? (await makeWorld())
    const request = build(world)
    const answer = await world.call(request.method, request.path, request.body, { ...headers, ...request.headers })
    kept = method === 'GET' || (answer.status >= 400 && !counts) ? world : undefined
    return [world, answer]
  }
}

/** Sends each request of an operator through a support access of its own. */
export function createSupport(operation: Operation, worlds: MakeWorld, admin: TestApp['admin']): Send {
  return async (build, headers) => {
    const world = await worlds({ support: 'member' }, kindsOf(operation))
    const request = build(world)
    const answer = await world.call(request.method, request.path, request.body, { ...headers, ...request.headers })
    // Each request under support access is on record, in the organization that it is for.
    assert.equal(await countSupportRequests(admin, world), 1, operation.id)
    return [world, answer]
  }
}
