// Builds dist/ when a source changed since the last build; a stamp beside the result remembers what it was built from.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, Refusal, say } from './paths.mjs'

const PARTS = {
  node: { sources: ['crdt-schema', 'node'], result: 'node.js', function: 'buildNode', place: '' },
  web: { sources: ['crdt-schema', 'web'], result: 'web/index.html', function: 'buildWeb', place: 'web' },
}
const SHARED = ['esbuild.config.mjs', 'package.json', 'package-lock.json']

/** Builds `dist/node.js`, `dist/password-worker.js` and `dist/web/`; resolves to the entry points still missing. */
export const build = async ({ root = ROOT, force = false } = {}) => {
  const config = await import('../../esbuild.config.mjs')
  const dist = join(root, 'dist')
  const missing = []
  mkdirSync(dist, { recursive: true })
  for (const [name, part] of Object.entries(PARTS)) {
    const sources = part.sources.flatMap((room) => config.listFiles(join(root, room)).map((path) => `${room}/${path}`))
    const hash = config.hashFiles(root, [...sources, ...SHARED.filter((path) => existsSync(join(root, path)))])
    const stamp = join(dist, `.stamp-${name}`)
    const isFresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === hash && existsSync(join(dist, part.result))
    if (isFresh && !force) continue
    const started = Date.now()
    rmSync(stamp, { force: true })
    try {
      const absent = await config[part.function]({ root, outdir: join(dist, part.place) })
      missing.push(...absent)
      if (absent.length > 0) say(`Not built, as there is no ${absent.join(', ')}.`)
      if (existsSync(join(dist, part.result))) {
        writeFileSync(stamp, hash)
        say(`Built dist/${part.result} in ${Date.now() - started} ms.`)
      }
    } catch (error) {
      throw new Refusal(`${await config.describeBuildError(error)}\nThe build of ${name}/ failed; the errors are above.`)
    }
  }
  return missing
}
