import { randomBytes } from 'node:crypto'

/** The ending of every word of a world, so that nothing is found in it by chance. */
export const randomWord = (): string => randomBytes(6).toString('hex')

/** The password of all users in these worlds, and of no others. */
export const WORLD_PASSWORD = 'Worldly-horse-8'
