// What takes minutes: a million messages over connections that are cut, a full minute of stalled readers. Tests that have a
// long form run in it when GW_SOAK is set. Arguments choose among them, as those of vitest do.
import { spawnSync } from 'node:child_process'

const files =
  process.argv.length > 2 ? process.argv.slice(2) : ['resume.test', 'slow-consumers.test']
const { status } = spawnSync('vitest', ['run', '--project', 'server-hono', ...files], {
  stdio: 'inherit',
  shell: true,
  env: { ...process.env, GW_SOAK: '1' },
})
process.exitCode = status ?? 1
