import { findFreePort as findPortFrom } from '../../src/platform/embedded/postgres-process.ts'

/**
 * A port of 127.0.0.1 that is free now, below those that the system gives to outgoing connections: one of them could be
 * in use a moment later. Browsers refuse 10080, and embedded servers begin at 20000.
 */
export const findFreePort = (): Promise<number> => findPortFrom(11_000 + Math.floor(Math.random() * 9000))
