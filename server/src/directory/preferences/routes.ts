import { conditionOf, sendTagged } from '../../platform/http/entity-tags.ts'
import type { App } from '../../platform/http/route.ts'
import {
  getPreferences,
  Preferences,
  PreferencesChanges,
  PreferencesReplacement,
  replacePreferences,
  updatePreferences,
} from './preferences.ts'

export function preferenceRoutes(app: App): void {
  const path = '/users/me/preferences'
  const shared = { access: 'session', tagged: true } as const
  const tags = ['People']
  const response = { 200: Preferences }

  app.get(
    path,
    {
      ...shared,
      schema: { operationId: 'getOwnPreferences', summary: "Get the current user's preferences", tags, response },
    },
    async ({ actor: { account, user_id } }, reply) =>
      sendTagged(reply, user_id, await account.run(getPreferences(user_id))),
  )

  for (const [method, verb, summary, body, change] of [
    ['PATCH', 'update', "Update the current user's preferences", PreferencesChanges, updatePreferences],
    ['PUT', 'replace', "Replace the current user's preferences", PreferencesReplacement, replacePreferences],
  ] as const) {
    app.route({
      method,
      url: path,
      ...shared,
      schema: { operationId: `${verb}OwnPreferences`, summary, tags, body, response },
      handler: async (request, reply) => {
        const { account, user_id } = request.actor
        const statement = change(user_id, request.body, conditionOf(request, user_id))
        return sendTagged(reply, user_id, await account.run(statement))
      },
    })
  }
}
