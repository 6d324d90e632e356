// Which test file belongs to which suite, how long it may take, and how many of a suite run at once.

import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

const atOnce = Math.min(2, availableParallelism())

/** In the order they run. `folder` is below test/; the suite without one takes all files of no other suite. `isReal`: its tests run dist/. */
export const SUITES = [
  { name: 'units', folder: '', deadlineMs: 90_000, atOnce },
  { name: 'contract', folder: 'contract', deadlineMs: 120_000, atOnce },
  { name: 'sim', folder: 'sim', deadlineMs: 300_000, atOnce },
  { name: 'cluster', folder: 'cluster', deadlineMs: 300_000, atOnce, isReal: true },
  { name: 'attacks', folder: 'attacks', deadlineMs: 300_000, atOnce: 1, isReal: true },
  { name: 'browser', folder: 'browser', deadlineMs: 300_000, atOnce: 1, isReal: true },
]
const LONG_DEADLINE_MS = 4 * 60 * 60_000

/** The name of the suite of a path relative to test/. */
export const suiteOf = (path) => SUITES.find((suite) => suite.folder !== '' && path.startsWith(`${suite.folder}/`))?.name ?? 'units'

/**
 * How long a file may take: what it says itself in a line `// deadline: 400 s`, else what its suite allows.
 */
export const deadlineOf = (suite, path, source) => {
  const own = /^\/\/ deadline: (\d+) s\b/m.exec(source)?.[1]
  if (own !== undefined) return Number(own) * 1000
  return path.includes('.long.test.') ? LONG_DEADLINE_MS : suite.deadlineMs
}

/**
 * What is wrong with a test file before it runs, or null. uvu says nothing about a suite that is never run, and a test
 * left out on purpose is one nobody looks at again.
 */
export const faultOf = (source) => {
  const runs = source.match(/\.run\(\)/g)?.length ?? 0
  const suites = source.match(/=\s*suite(<[^>]*>)?\(/g)?.length ?? 0
  if (runs === 0) return 'it never calls .run(), so none of its tests would run'
  if (suites > runs) return `it makes ${suites} suites and calls .run() ${runs} times, so some would never run`
  if (/^\s*\w+\.(only|skip)\(/m.test(source)) return 'it narrows or skips tests (.only, .skip)'
  return null
}

/** Test files below root/test: path relative to test/, source, suite. */
export const findTests = ({ root, listFiles, long }) => {
  const directory = join(root, 'test')
  if (!existsSync(directory)) return []
  return listFiles(directory)
    .filter((path) => /\.test\.tsx?$/.test(path) && (long || !/\.long\.test\.tsx?$/.test(path)))
    .map((path) => ({ path, suite: suiteOf(path), source: readFileSync(join(directory, path), 'utf8') }))
}
