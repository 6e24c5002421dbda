import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { claimDataDirectory, DataDirectoryError, DataDirectoryInUse } from './data-directory.ts'

const scratch = mkdtempSync(join(tmpdir(), 'claim-'))
const children: ChildProcess[] = []
after(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(scratch, { recursive: true })
})

/** Another process that claims the directory at once, or at the given time in ms, says how it went, and stays. */
async function claimElsewhere(dataDir: string, port: number, at = 0) {
  const module = new URL('data-directory.ts', import.meta.url).href
  const script = `
    import { claimDataDirectory } from ${JSON.stringify(module)}
    while (Date.now() < ${at});
    try {
      claimDataDirectory(${JSON.stringify(dataDir)}, ${port})
      console.log('claimed')
    } catch (error) {
      console.log(error.name + ': ' + error.message)
    }
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const [said] = (await once(createInterface(child.stdout), 'line')) as [string]
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await once(child, 'exit')
  }
  return { said, pid: child.pid, end }
}

test('a missing data directory is made for its owner alone, and a released one can be claimed again', () => {
  const dataDir = join(scratch, 'below/fresh')
  const claim = claimDataDirectory(dataDir, 8000)
  assert.equal(statSync(dataDir).mode & 0o777, 0o700)
  claim.release()
  assert.ok(!existsSync(join(dataDir, 'service.json')))
  claimDataDirectory(dataDir, 8000).release()
})

test('a second service is refused with the process and port of the first, also within one process', async () => {
  const dataDir = join(scratch, 'twice')
  const first = await claimElsewhere(dataDir, 8123)
  const refusal = { name: 'DataDirectoryInUse', message: new RegExp(`process ${first.pid}, which serves port 8123`) }
  assert.throws(() => claimDataDirectory(dataDir, 8000), refusal)
  await first.end('SIGTERM')
  const claim = claimDataDirectory(dataDir, 8000)
  assert.throws(() => claimDataDirectory(dataDir, 8001), DataDirectoryInUse)
  assert.match((await claimElsewhere(dataDir, 8002)).said, new RegExp(`process ${process.pid}, which serves port 8000`))
  claim.release()
})

// Red when: `held` no longer keeps the handle.
test('a claim whose handle was thrown away still holds', async () => {
  const dataDir = join(scratch, 'collected')
  claimDataDirectory(dataDir, 8000)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let round = 0; round < 5; round += 1) {
    collect()
    await new Promise(resolve => setImmediate(resolve))
  }
  const other = await claimElsewhere(dataDir, 8001)
  assert.match(other.said, /DataDirectoryInUse/)
  await other.end('SIGTERM')
})

test('the claim of a killed service is taken over, even when a stranger has its process id now', async () => {
  const dataDir = join(scratch, 'stale')
  const first = await claimElsewhere(dataDir, 8000)
  assert.equal(first.said, 'claimed')
  await first.end('SIGKILL')
  writeFileSync(join(dataDir, 'service.json'), JSON.stringify({ pid: process.ppid, port: 8000 }))
  const claim = claimDataDirectory(dataDir, 8001)
  assert.deepEqual(JSON.parse(readFileSync(join(dataDir, 'service.json'), 'utf8')), { pid: process.pid, port: 8001 })
  claim.release()
})

// Red when: `lockFile` hands out a lock without asking SQLite, or the holder's file is not re-read.
test('of services that claim at the same instant exactly one wins, over a stale claim too', async () => {
  const dataDir = join(scratch, 'race')
  for (let round = 0; round < 2; round += 1) {
    const at = Date.now() + 500
    const claims = await Promise.all([1, 2, 3, 4].map(number => claimElsewhere(dataDir, 8000 + number, at)))
    const winners = claims.filter(claim => claim.said === 'claimed')
    assert.equal(winners.length, 1, claims.map(claim => claim.said).join('\n'))
    const losers = claims.filter(claim =>
      claim.said.includes(`DataDirectoryInUse: ${dataDir} is in use by process ${winners[0]?.pid}`),
    )
    assert.equal(losers.length, 3, claims.map(claim => claim.said).join('\n'))
    await Promise.all(claims.map(claim => claim.end('SIGKILL')))
  }
})

test('a data directory that is a file is refused with one line that says what to do', () => {
  const dataDir = join(scratch, 'file')
  writeFileSync(dataDir, '')
  assert.throws(
    () => claimDataDirectory(dataDir, 8000),
    (error: unknown) => {
      assert.ok(error instanceof DataDirectoryError)
      assert.match(error.message, /^\S+ is not a directory\. Move it, or set DATA_DIR to another\.$/)
      return true
    },
  )
})
