import { randomBytes } from 'node:crypto'

/** What every word of a world ends in, so that nothing is found in it by chance. */
export const randomWord = (): string => randomBytes(6).toString('hex')

/** The password of everyone in these worlds, and of no one else. */
export const WORLD_PASSWORD = 'Worldly-horse-8'
