import type { Config } from '../config.ts'

export async function runDoctor(_args: string[], _config: Config): Promise<number> {
  return 0
}
