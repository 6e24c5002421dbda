import { readFileSync } from 'node:fs'

/** How often is looked whether npm is still there. Milliseconds. */
const WATCH_MS = 500

/**
 * The end of what launched this process: of the older Node that handed over, which holds the other end of a channel, or of
 * npm and its shell, which pass on few signals and none that kill them. What started those takes the service for stopped and
 * will want its port. What was launched by anything else may outlive it.
 */
export function awaitOrphanage(): Promise<void> {
  return new Promise(resolve => {
    if (process.channel != null) {
      process.once('disconnect', resolve)
      process.channel.unref()
    }
    const launchers = listLaunchers()
    if (launchers.length > 0)
      setInterval(() => {
        if (launchers.some(({ pid, parent }) => findParent(pid) !== parent)) resolve()
      }, WATCH_MS).unref()
  })
}

/** This process and those above it, up to npm's own; empty without npm. Where there is no `/proc`, only this process. */
function listLaunchers(): { pid: number; parent: number }[] {
  const script = process.env['npm_lifecycle_script']
  const launchers: { pid: number; parent: number }[] = []
  if (script === undefined) return launchers
  let pid = process.pid
  for (let parent = findParent(pid); parent !== undefined; parent = findParent(pid)) {
    launchers.push({ pid, parent })
    const handsOver = pid === process.pid && process.channel != null
    if (!handsOver && !runsScript(parent, script)) break
    pid = parent
  }
  return launchers
}

/** Whether it is the shell that npm starts for a script, rather than npm: some shells give way to what they run. */
const runsScript = (pid: number, script: string): boolean =>
  (readProcess(pid, 'cmdline') ?? '').split('\0').some(argument => argument.startsWith(script))

function findParent(pid: number): number | undefined {
  if (pid === process.pid) return process.ppid
  // proc(5): behind the name, which may hold anything, the state and the parent.
  const parent = /.*\) \S (\d+)/s.exec(readProcess(pid, 'stat') ?? '')?.[1]
  return parent === undefined ? undefined : Number(parent)
}

function readProcess(pid: number, file: 'cmdline' | 'stat'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
