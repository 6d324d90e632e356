// What must be true before anything else: the Node version, and a folder that can be written to.

import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, Refusal } from './paths.mjs'

/** True if version `have` (`20.19.0`) is at least `need`. */
export const isAtLeast = (have, need) => {
  const [a, b] = [have, need].map((text) => text.split('.').map((part) => Number.parseInt(part, 10) || 0))
  for (let i = 0; i < 3; i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) > (b[i] ?? 0)
  return true
}

/** Throws a Refusal that says what to do if this machine cannot run Starling. */
export const preflight = () => {
  const need = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).engines.node.replace(/^>=/, '')
  if (!isAtLeast(process.versions.node, need)) {
    throw new Refusal(
      `Starling needs Node.js ${need} or newer; this is ${process.versions.node} (${process.execPath}).\n` +
        'Install a current one from https://nodejs.org and run the command again.',
      2,
    )
  }
  try {
    accessSync(ROOT, constants.W_OK)
  } catch {
    throw new Refusal(
      `The folder ${ROOT} cannot be written to, but packages, the build and the demo's data go there.\n` +
        'Give your user the right to write there, or clone Starling into a folder of your own.',
      2,
    )
  }
}
