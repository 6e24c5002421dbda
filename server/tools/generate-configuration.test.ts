import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { describeConfiguration, describeEnvFile } from './reference/configuration.ts'
import { variableList } from '../src/config/sources.ts'
import { loadConfig } from '../src/config/config.ts'
import { makeDirectory } from '../test/environments.ts'

// Red when: the table changes and no one runs the generator.
test('the reference page and .env.example are fresh, and --check says so', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  assert.equal(readFileSync(join(root, 'docs/reference/configuration.md'), 'utf8'), describeConfiguration())
  assert.equal(readFileSync(join(root, '.env.example'), 'utf8'), describeEnvFile())
  const check = spawnSync(process.execPath, [join(root, 'server/tools/generate-configuration.ts'), '--check'])
  assert.equal(check.status, 0, String(check.stderr))
})

// Red when: .env.example shows a default that the loader does not have.
test('.env.example names every variable that has an effect, and uncommented it is the default configuration', () => {
  const uncommented = describeEnvFile().replace(/^#(?=[A-Z])/gm, '')
  for (const [name, variable] of variableList) {
    assert.equal(new RegExp(`^${name}=`, 'm').test(uncommented), !variable.ignored, name)
    assert.ok(describeConfiguration().includes(`| \`${name}\``), name)
  }
  const directory = makeDirectory({ '.env': uncommented })
  const config = loadConfig({}, directory)
  rmSync(join(directory, '.env'))
  assert.deepEqual(config, loadConfig({}, directory))
})
