/** The environment variable through which the test run's setup passes its database to every test file. */
export const TEST_DATABASE = 'FREEHOLD_TEST_DATABASE'

/** The secret for the logins and tokens of the test run. */
export const TEST_SECRET = 'a secret for tests, of more than 32 characters'

export interface TestDatabase {
  /** The superuser of the cluster, to whom no policy applies. */
  adminUrl: string
  ownerUrl: string
  tenantUrl: string
  systemUrl: string
}

export function testDatabase(): TestDatabase {
  const given = process.env[TEST_DATABASE]
  if (given === undefined)
    throw new Error('run the tests with `npm test`, or one file with `npm test -- path/to/file.test.ts`')
  return JSON.parse(given) as TestDatabase
}
