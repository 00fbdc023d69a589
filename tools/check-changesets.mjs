// Each package that changed since the base branch needs a changeset; without a base branch only the files are checked.
import { spawnSync } from 'node:child_process'

const base = spawnSync('git', ['rev-parse', '--verify', '--quiet', 'origin/main'])
const args = base.status === 0 ? ['status', '--since=origin/main'] : ['status']
const { status, stdout, stderr } = spawnSync('changeset', args, { encoding: 'utf8' })
process.stdout.write(stdout)
// A clone of the base branch itself has nothing to compare with.
if (
  status !== 0 &&
  !/no changesets were found|Failed to find where HEAD diverged/i.test(stderr + stdout)
) {
  process.stderr.write(stderr)
  process.exitCode = 1
}
