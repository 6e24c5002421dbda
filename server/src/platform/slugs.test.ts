import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestApp } from '../../test/test-app.ts'
import { claimSlug } from './slugs.ts'

const slugOf = (name: string) => claimSlug({ name }, 'organization-slug-taken', async slug => slug)

// Red when: slugOf replaces what it does not know by a hyphen, or knows only Latin letters.
test('a name in any script becomes a slug that people can read', async () => {
  for (const [name, slug] of [
    ['Acme Corp', 'acme-corp'],
    ['Müller & Söhne GmbH', 'muller-sohne-gmbh'],
    ['Mu\u0308ller', 'muller'],
    ['Großstraße', 'grossstrasse'],
    ['Łódź Kraków', 'lodz-krakow'],
    ['Đà Nẵng', 'da-nang'],
    ['İstanbul', 'istanbul'],
    ['Møller & Ærø', 'moller-aero'],
    ['Москва', 'moskva'],
    ['Ελλάδα', 'ellada'],
    ['北京大学', 'beijingdaxue'],
    ['株式会社トヨタ', 'zhushihuishetoyota'],
    ['한국', 'hangug'],
    ['भारत', 'bhart'],
    ['🚀 Rockets', 'rocket-rockets'],
    ['O’Neil’s "Best"', 'oneils-best'],
    ['ﬁrst №1', 'first-no1'],
    ['---', 'unnamed'],
    ['!?', 'unnamed'],
    ['x'.repeat(80), 'x'.repeat(50)],
    [`${'x'.repeat(49)} y`, 'x'.repeat(49)],
    ['北京'.repeat(40), 'beijing'.repeat(10).slice(0, 50)],
  ] as const) {
    assert.equal(await slugOf(name), slug, name)
    assert.match(slug, /^[a-z0-9]+(-[a-z0-9]+)*$/)
  }
})

test('an organization and a project get such a slug, and a second one of that name another', async () => {
  const { signUp } = await createTestApp()
  const name = `Gesellschaft für Ölmühlen ${Date.now()}`
  const owner = await signUp(name)
  const { body } = await owner.call('GET', `/api/v1/organizations/${owner.organization_id}`)
  assert.match(body.slug, /^gesellschaft-fur-olmuhlen-\d+(-[0-9a-f]{8})?$/)
  const slugs = []
  for (let time = 0; time < 2; time++)
    slugs.push((await owner.call('POST', '/api/v1/projects', { name: 'Приложение' })).body.slug)
  assert.equal(slugs[0], 'prilozhenie')
  assert.match(slugs[1], /^prilozhenie-[0-9a-f]{8}$/)
})
