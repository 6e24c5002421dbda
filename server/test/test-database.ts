/** The environment variable through which the test run's setup hands its database to every test file. */
export const TEST_DATABASE = 'FREEHOLD_TEST_DATABASE'

/** What the test run's logins and tokens are derived from. */
export const TEST_SECRET = 'a secret for tests, of more than 32 characters'

export interface TestDatabase {
  /** The superuser of the cluster: sees and does everything, for looking behind the wall. */
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
