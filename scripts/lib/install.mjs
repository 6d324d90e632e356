// Installs the packages the lock file names, when what is installed differs from it.
// npm's own record of what it installed (node_modules/.package-lock.json, written last) is what is compared, so an
// interrupted install is done again and an unneeded one never happens.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, Refusal, say } from './paths.mjs'

const readPackages = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {})

/** True if every package of the lock file that is not optional is installed in its version. */
export const isInstalled = (root = ROOT) => {
  const installed = readPackages(join(root, 'node_modules/.package-lock.json'))
  return Object.entries(readPackages(join(root, 'package-lock.json'))).every(
    ([path, wanted]) => path === '' || wanted.optional === true || installed[path]?.version === wanted.version,
  )
}

/** Runs `npm ci` if needed; its log is shown only when it fails. */
export const install = () => {
  if (isInstalled()) return
  say('Installing packages (npm ci) …')
  const started = Date.now()
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: ROOT,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.status !== 0) {
    throw new Refusal(
      `${result.stdout ?? ''}${result.stderr ?? ''}\n` +
        `npm ci failed (${result.error?.message ?? `exit code ${result.status}`}); its log is above.\n` +
        'Check the network or the registry npm uses (npm config get registry) and run the command again.',
    )
  }
  say(`Installed in ${((Date.now() - started) / 1000).toFixed(1)} s.`)
}
