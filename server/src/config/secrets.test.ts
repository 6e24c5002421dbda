import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { loadConfig } from './config.ts'
import { assertFault, makeDirectory, production, secretKey } from '../../test/environments.ts'
import type { Environment } from '../../test/environments.ts'

// Red when: readText keeps the byte-order mark: the same key from an editor of Windows would be another one.
test('a byte-order mark is no part of a secret, and a file that is not UTF-8 is a fault', () => {
  const directory = makeDirectory({ marked: `\uFEFF${secretKey}\r\n` })
  assert.equal(loadConfig({ SECRET_KEY_FILE: 'marked' }, directory).secretKey, secretKey)
  writeFileSync(join(directory, 'wide'), Buffer.from(`\uFEFF${secretKey}\r\n`, 'utf16le'))
  assertFault({ SECRET_KEY_FILE: 'wide' }, /^SECRET_KEY_FILE: the file is not UTF-8: save it as UTF-8/, directory)
})

// Red when: secrets lose NAME_FILE, its line break stays, or the path is shown.
test('a secret may be given as a file, under each of its names', () => {
  const directory = makeDirectory({ key: `${secretKey}\n`, empty: '\n', password: ' p@ss\r\n' })
  assert.equal(loadConfig({ SECRET_KEY_FILE: 'key' }, directory).secretKey, secretKey)
  assert.equal(
    loadConfig({ JWT_SECRET_FILE: join(directory, 'key'), SECRET_KEY: secretKey }, directory).secretKey,
    secretKey,
  )
  const parts = { POSTGRES_HOST: 'h', POSTGRES_DB: 'd', POSTGRES_USER: 'u', SECRET_KEY: secretKey }
  const config = loadConfig({ ...parts, POSTGRES_PASSWORD_FILE: 'password' }, directory)
  assert.equal(config.database.url, 'postgresql://u:%20p%40ss@h/d')
  assertFault({ SECRET_KEY_FILE: 'absent' }, /^SECRET_KEY_FILE: the file cannot be read \(ENOENT\)$/, directory)
  assertFault({ SECRET_KEY_FILE: 'empty' }, /^SECRET_KEY_FILE: the file is empty$/, directory)
  assertFault(
    { SECRET_KEY_FILE: 'key', SECRET_KEY: 'other' },
    /^SECRET_KEY and SECRET_KEY_FILE say different/,
    directory,
  )
})

// Red when: the key is made anew at each start, or readable by others.
test('development makes its secret key once, in an owner-only file', () => {
  const directory = makeDirectory()
  const { secretKey: made, dataDir } = loadConfig({}, directory)
  const file = join(dataDir, 'secret-key')
  assert.match(made, /^[\w-]{43}$/)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(dataDir).mode & 0o777, 0o700)
  assert.equal(loadConfig({}, directory).secretKey, made)
  assert.equal(loadConfig({ SECRET_KEY: secretKey }, directory).secretKey, secretKey)
  chmodSync(file, 0o644)
  assertFault({}, /^SECRET_KEY is not set, and .*secret-key cannot be used instead: other users may read it/, directory)
  writeFileSync(file, 'short')
  chmodSync(file, 0o600)
  assertFault({}, /cannot be used instead: it is damaged/, directory)
})

// Red when: loadConfig makes the key before it knows of the faults.
test('a start that is refused leaves nothing behind', () => {
  const directory = makeDirectory()
  assertFault({ PORT: 'x' }, /^PORT/, directory)
  assert.equal(existsSync(join(directory, '.freehold')), false)
})

// Red when: makeSecretKey writes the file in place, or renames over one that is there.
test('two that start at the same instant end up with one key', async () => {
  const directory = makeDirectory()
  const rounds = 200
  const script = `
    const { workerData: { barrier, rounds, directory }, parentPort } = require('node:worker_threads')
    import(${JSON.stringify(import.meta.resolve('./config.ts'))}).then(({ loadConfig }) => {
      const arrived = new Int32Array(barrier)
      parentPort.postMessage(Array.from({ length: rounds }, (_, round) => {
        Atomics.add(arrived, 0, 1)
        while (Atomics.load(arrived, 0) < 2 * (round + 1));
        return loadConfig({ DATA_DIR: String(round) }, directory).secretKey
      }))
    })`
  const barrier = new SharedArrayBuffer(4)
  const workers = [1, 2].map(() => new Worker(script, { eval: true, workerData: { barrier, rounds, directory } }))
  const answers = workers.map(worker => once(worker, 'message').then(([keys]: string[][]) => keys))
  let keys: (string[] | undefined)[]
  try {
    keys = await Promise.all(answers)
  } finally {
    // One that fails would leave the other waiting for it.
    for (const worker of workers) await worker.terminate()
  }
  const [one, other] = keys
  assert.deepEqual(one, other)
  assert.equal(new Set(one).size, rounds)
})

// Red when: listExposures looks at nothing, or config.ts leaves one of the files out.
test(
  'files with secrets that other users can read or change are complained of, outside development',
  {
    skip: process.platform === 'win32',
  },
  () => {
    const directory = makeDirectory({ '.env': 'APP_NAME=Acme\n', mail: 'smtp://u:Rw4490Lkq@mail.internal\n' })
    const [env, mail, dataDir] = [join(directory, '.env'), join(directory, 'mail'), join(directory, 'data')]
    mkdirSync(dataDir)
    const key = join(dataDir, 'secret-key')
    writeFileSync(key, secretKey)
    const { SMTP_URL: _url, ...rest } = production
    const settings = { ...rest, SMTP_URL_FILE: mail, DATA_DIR: dataDir }
    const complaints = (modes: Record<string, number>, more: Environment = {}) => {
      for (const path of [env, mail, key]) chmodSync(path, modes[path] ?? 0o600)
      chmodSync(directory, modes[directory] ?? 0o700)
      const { exposedFiles, warnings } = loadConfig({ ...settings, ...more }, directory)
      for (const line of exposedFiles) assert.ok(warnings.includes(line), line)
      return exposedFiles
    }
    assert.deepEqual(complaints({}), [])
    assert.deepEqual(complaints({ [env]: 0o640, [mail]: 0o440, [key]: 0o600 }), [])
    for (const [path, name] of [
      [env, '.env'],
      [mail, 'SMTP_URL_FILE'],
      [key, 'secret-key in DATA_DIR'],
    ] as const) {
      for (const mode of [0o644, 0o604, 0o666, 0o620, 0o602]) {
        const found = complaints({ [path]: mode })
        assert.equal(found.length, 1, `${name} ${mode.toString(8)}: ${found.join('\n')}`)
        assert.ok(found[0]!.startsWith(`${name} `), found.join())
        assert.match(found[0]!, (mode & 0o022) === 0 ? /can be read by every user.*chmod 600/ : /can be changed by/)
        assert.doesNotMatch(found[0]!, /freehold-config/, 'a path stays unsaid')
      }
    }
    assert.equal(complaints({ [directory]: 0o777 }).length, 2, 'the folder of two of them')
    assert.deepEqual(complaints({ [directory]: 0o1777 }), [])
    const all = { [env]: 0o666, [mail]: 0o666, [key]: 0o666, [directory]: 0o777 }
    assert.deepEqual(complaints(all, { ENVIRONMENT: 'development' }), [])
  },
)
