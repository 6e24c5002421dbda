import { getPreferences, PreferencesChanges, updatePreferences } from '../../directory/preferences/preferences.ts'
import { getProfile, updateProfile } from '../../directory/users/users.ts'
import type { App } from '../../platform/http/route.ts'
import {
  AnyQuery,
  success,
  Success,
  userOf,
  V5Preferences,
  V5PreferencesChanges,
  V5ProfileChanges,
  V5User,
} from './messages.ts'
import { camelize, snakeize } from './names.ts'

const profileFields = ['given_name', 'family_name', 'full_name'] as const
const preferenceFields = Object.keys(PreferencesChanges.properties) as (keyof PreferencesChanges)[]

const isEmpty = (changes: object): boolean => Object.keys(changes).length === 0

export function profileRoutes(app: App): void {
  const rules = { access: 'session' } as const
  const shared = { tags: ['People'], querystring: AnyQuery }
  const user = { 200: Success(V5User) }
  const preferences = { 200: Success(V5Preferences) }

  app.get(
    '/users/me',
    { ...rules, schema: { ...shared, operationId: 'v5GetUser', summary: 'Get the current user', response: user } },
    async ({ actor }) => success(userOf(await actor.account.run(getProfile()), actor.organization_id)),
  )

  app.put(
    '/users/me',
    {
      ...rules,
      schema: {
        ...shared,
        operationId: 'v5UpdateUser',
        summary: "Update the current user's names",
        body: V5ProfileChanges,
        response: user,
      },
    },
    async ({ actor: { account, user_id, organization_id }, body }) => {
      const changes = snakeize<Partial<Record<(typeof profileFields)[number], string | null>>>(profileFields, body)
      const statement = isEmpty(changes) ? getProfile() : updateProfile(user_id, changes, undefined)
      return success(userOf(await account.run(statement), organization_id))
    },
  )

  app.get(
    '/users/me/preferences',
    {
      ...rules,
      schema: {
        ...shared,
        operationId: 'v5GetPreferences',
        summary: "Get the current user's preferences",
        response: preferences,
      },
    },
    async ({ actor: { account, user_id } }) => success(camelize(await account.run(getPreferences(user_id)))),
  )

  app.put(
    '/users/me/preferences',
    {
      ...rules,
      schema: {
        ...shared,
        operationId: 'v5UpdatePreferences',
        summary: "Update the current user's preferences",
        body: V5PreferencesChanges,
        response: preferences,
      },
    },
    async ({ actor: { account, user_id }, body }) => {
      const changes = snakeize<PreferencesChanges>(preferenceFields, body)
      const statement = isEmpty(changes) ? getPreferences(user_id) : updatePreferences(user_id, changes, undefined)
      return success(camelize(await account.run(statement)))
    },
  )
}
