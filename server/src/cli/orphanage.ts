import { readFileSync } from 'node:fs'

/** How often to check whether npm still runs. Milliseconds. */
const WATCH_MS = 500

/**
 * Resolves when the launcher of this process has ended: the older Node that started it, which is at the other end of a
 * channel, or npm and its shell, which forward few signals. Their own launcher then assumes that the service has
 * stopped and its port is free. Without such a launcher the service may outlive its parent.
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

/** This process and its ancestors up to npm's; empty without npm. Without `/proc`, only this process. */
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

/** Whether it is the shell that npm starts for a script, not npm itself: some shells are replaced by their command. */
const runsScript = (pid: number, script: string): boolean =>
  (readProcess(pid, 'cmdline') ?? '').split('\0').some(argument => argument.startsWith(script))

function findParent(pid: number): number | undefined {
  if (pid === process.pid) return process.ppid
  // proc(5): after the name, which may contain any character, come the state and the parent.
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
