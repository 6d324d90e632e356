// Finds a Chromium to test with, or installs one; a machine where neither works gets the reason.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { ROOT, Refusal, say } from './paths.mjs'

const NAMES = ['chromium', 'chromium-browser', 'chromium-headless-shell', 'google-chrome', 'google-chrome-stable', 'chrome', 'microsoft-edge', 'microsoft-edge-stable', 'msedge']

const usualPlaces = () => {
  const programs = [process.env['PROGRAMFILES'], process.env['PROGRAMFILES(X86)'], process.env['LOCALAPPDATA']].filter(Boolean)
  return [
    '/usr/lib/chromium/chromium-headless-shell',
    '/usr/lib/chromium/headless_shell',
    '/opt/google/chrome/chrome',
    '/snap/bin/chromium',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
    ...programs.flatMap((base) => [join(base, 'Google/Chrome/Application/chrome.exe'), join(base, 'Microsoft/Edge/Application/msedge.exe')]),
    ...playwrightPlaces(),
  ]
}

/** Browsers that `playwright-core install` put into its cache. */
const playwrightPlaces = () => {
  const caches = [
    process.env['PLAYWRIGHT_BROWSERS_PATH'],
    join(homedir(), '.cache/ms-playwright'),
    join(homedir(), 'Library/Caches/ms-playwright'),
    process.env['LOCALAPPDATA'] && join(process.env['LOCALAPPDATA'], 'ms-playwright'),
  ].filter((path) => path && existsSync(path))
  return caches.flatMap((cache) =>
    readdirSync(cache)
      .filter((name) => name.startsWith('chromium'))
      .sort()
      .reverse()
      .flatMap((name) =>
        readdirSync(join(cache, name)).flatMap((platform) =>
          ['chrome-headless-shell', 'headless_shell', 'chrome', 'chrome.exe', 'chrome-headless-shell.exe'].map((program) => join(cache, name, platform, program)),
        ),
      ),
  )
}

/** The path of a Chromium, or null. STARLING_BROWSER decides when it is set. */
export const findBrowser = () => {
  const chosen = process.env['STARLING_BROWSER']
  if (chosen) {
    if (existsSync(chosen)) return chosen
    throw new Refusal(`STARLING_BROWSER is ${chosen}, but no such file exists. Correct it or unset it.`)
  }
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const inPath = NAMES.flatMap((name) => (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name + suffix)))
  return [...inPath, ...usualPlaces()].find((path) => existsSync(path)) ?? null
}

const run = (command, args, options = {}) => {
  const result = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, ...options })
  return { isGood: result.status === 0, log: `$ ${command} ${args.join(' ')}\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}` }
}

/** The path of a Chromium, installed if there was none. Throws a Refusal with the logs when that fails. */
export const findOrInstallBrowser = async () => {
  const found = findBrowser()
  if (found !== null) return found
  const logs = []
  const attempt = (command, args, options) => {
    const { isGood, log } = run(command, args, options)
    logs.push(log)
    return isGood
  }
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    say('No browser found; installing chromium-headless-shell with apt-get …')
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    if (attempt('apt-get', ['update'], { env })) attempt('apt-get', ['install', '-y', '--no-install-recommends', 'chromium-headless-shell'], { env })
  } else {
    say('No browser found; installing one with playwright-core …')
    attempt(process.execPath, [join(ROOT, 'node_modules/playwright-core/cli.js'), 'install', '--only-shell', 'chromium'])
  }
  const installed = findBrowser()
  if (installed !== null) return installed
  throw new Refusal(
    `${logs.join('\n')}\nNo Chromium was found, and installing one failed (log above).\n` +
      'Install Chromium, Chrome or Edge, or set STARLING_BROWSER to its path; --no-browser leaves these tests out.',
  )
}
