// Writes the files that are generated from the table of variables; with --check, only reports stale ones, and exits 1.
import { describeConfiguration, describeEnvFile } from './reference/configuration.ts'
import { writeFiles } from './reference/write-files.ts'

writeFiles(
  { 'docs/reference/configuration.md': describeConfiguration(), '.env.example': describeEnvFile() },
  'generate-configuration.ts',
)
