// Each package that changed since the base branch needs a changeset. On the base branch itself there is nothing to compare.
import { spawnSync } from 'node:child_process'

const known = spawnSync('git', ['rev-parse', '--verify', '--quiet', 'origin/main'])
const since = known.status === 0 ? ['--since=origin/main'] : []
const { status, stdout, stderr } = spawnSync('changeset', ['status', ...since], {
  encoding: 'utf8',
})
// A shallow clone, or one that has no base branch at all, cannot be compared either.
const isComparable = !/Failed to find where HEAD diverged/i.test(stdout + stderr)
if (status !== 0 && isComparable) {
  process.stderr.write(stdout + stderr)
  process.exitCode = 1
}
