// `npm test`: everything, on a machine that has only Node.js. Installs, checks types and layers, builds each test file
// and runs it in a process of its own with a deadline. One line per file; the last line is "N passed, N failed".
//
//   npm test -- --only core/digest     only files (or suites) whose name holds this; may be repeated
//   npm test -- --no-browser           without the browser suite, and says so
//   npm test -- --long                 also *.long.test.ts (npm run test:long)
//   npm test -- --root DIR --deadline 2    another tree's test/ folder, another deadline in seconds (to test the runner)

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from './lib/build.mjs'
import { install } from './lib/install.mjs'
import { CACHE, ROOT, Refusal, runMain, say } from './lib/paths.mjs'
import { preflight } from './lib/preflight.mjs'
import { judge, killRunning, runProgram } from './lib/run-file.mjs'
import { SUITES, deadlineOf, faultOf, findTests } from './lib/suites.mjs'

const CHECK_DEADLINE_MS = 120_000
/** The simulator makes much that lives only for a moment: with room for it, long programmes take a seventh less time. */
const LONG_NODE_OPTIONS = ['--max-semi-space-size=64']

const readOptions = () => {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        'no-browser': { type: 'boolean', default: false },
        long: { type: 'boolean', default: false },
        root: { type: 'string', default: ROOT },
        deadline: { type: 'string' },
      },
    }).values
  } catch (error) {
    throw new Refusal(`${error.message}\nUsage: npm test -- [--only TEXT]… [--no-browser] [--long] [--root DIR] [--deadline SECONDS]`, 2)
  }
}

/** uvu's name of the suite and its marks of tests, which it writes without a line end before what the next test prints. */
const UVU_MARKS = /^(?: \S.*? {2}(?=[•✘ ]))?(?:[•✘] )*(?= {4})/

/** What a test printed for a person to read (`print` of test/support/asking.ts): lines set in by four spaces. */
const figuresOf = (output) => output.split('\n').map((line) => line.replace(UVU_MARKS, '')).filter((line) => /^ {4,}\S/.test(line))

const report = (tally, { name, passed, failed, ms, reason, output }) => {
  tally.passed += passed
  tally.failed += failed
  const counts = failed === 0 ? `${passed} passed` : `${passed} passed, ${failed} FAILED`
  console.log(`${failed === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(48)} ${counts.padEnd(24)} ${Math.round(ms).toString().padStart(6)} ms`)
  if (failed === 0) return figuresOf(output).forEach((line) => console.log(line))
  tally.failures.push(`${name}: ${reason}`)
  console.log(`\n${output.trimEnd()}\n\n${name}: ${reason}\n`)
}

/** Types or layers: one program whose exit code counts as one test. */
const runCheck = async (tally, name, args) => {
  const result = await runProgram({ command: process.execPath, args, cwd: ROOT, env: process.env, deadlineMs: CHECK_DEADLINE_MS })
  const isGood = result.code === 0
  const reason = result.timedOut ? `killed at its deadline of ${CHECK_DEADLINE_MS / 1000} s` : `exit code ${result.code}`
  report(tally, { name, passed: isGood ? 1 : 0, failed: isGood ? 0 : 1, ms: result.ms, reason, output: result.output })
}

const runFile = async ({ config, tally, suite, file, root, outdir, env, deadlineMs }) => {
  const name = `test/${file.path}`
  const fault = faultOf(file.source)
  if (fault !== null) return report(tally, { name, passed: 0, failed: 1, ms: 0, reason: fault, output: '' })
  const outfile = join(outdir, `${file.path.replaceAll('/', '__').replace(/\.tsx?$/, '')}.js`)
  try {
    await config.buildTest({ entry: join(root, name), outfile })
  } catch (error) {
    return report(tally, { name, passed: 0, failed: 1, ms: 0, reason: 'it does not build', output: await config.describeBuildError(error) })
  }
  const limitMs = deadlineMs ?? deadlineOf(suite, file.path, file.source)
  const result = await runProgram({ command: process.execPath, args: ['--enable-source-maps', ...(env.STARLING_LONG === '1' ? LONG_NODE_OPTIONS : []), outfile], cwd: root, env, deadlineMs: limitMs })
  report(tally, { name, ...judge({ result, deadlineMs: limitMs }), ms: result.ms, output: result.output })
}

/** Runs `work` over `items`, at most `atOnce` at a time. */
const inParallel = async (items, atOnce, work) => {
  const queue = [...items]
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

const main = async () => {
  const options = readOptions()
  const { root } = options
  const tally = { passed: 0, failed: 0, skipped: 0, failures: [] }
  preflight()
  install()
  const config = await import('../esbuild.config.mjs')
  const isWanted = (...names) => options.only.length === 0 || options.only.some((text) => names.some((name) => name.includes(text)))
  const tests = findTests({ root, listFiles: config.listFiles, long: options.long }).filter((file) => isWanted(`test/${file.path}`, file.suite))
  const isOwnTree = root === ROOT

  if (isOwnTree && isWanted('types')) await runCheck(tally, 'types', [join(ROOT, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', ROOT])
  if (isOwnTree && isWanted('layers')) await runCheck(tally, 'layers', [join(ROOT, 'scripts/check-layers.mjs'), root])

  const outdir = join(CACHE, `tests-${process.pid}`)
  const cleanUp = () => rmSync(outdir, { recursive: true, force: true })
  const onSignal = () => {
    killRunning()
    cleanUp()
    console.log('Stopped.')
    process.exit(130)
  }
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  mkdirSync(outdir, { recursive: true })
  const env = {
    ...process.env,
    NO_COLOR: '1',
    FORCE_COLOR: '0',
    STARLING_ROOT: root,
    STARLING_LONG: options.long ? '1' : '',
    NODE_OPTIONS: '',
  }
  try {
    for (const suite of SUITES) {
      const files = tests.filter((file) => file.suite === suite.name)
      if (files.length === 0) continue
      if (suite.name === 'browser' && options['no-browser']) {
        tally.skipped += files.length
        continue
      }
      if (isOwnTree && suite.isReal === true) {
        try {
          await build()
          if (suite.name === 'browser') env.STARLING_BROWSER = await (await import('./lib/browser.mjs')).findOrInstallBrowser()
        } catch (error) {
          report(tally, { name: `suite ${suite.name}`, passed: 0, failed: files.length, ms: 0, reason: 'cannot run', output: error.message })
          continue
        }
      }
      const deadlineMs = options.deadline === undefined ? undefined : Number(options.deadline) * 1000
      await inParallel(files, suite.atOnce, (file) => runFile({ config, tally, suite, file, root, outdir, env, deadlineMs }))
    }
  } finally {
    cleanUp()
  }

  if (tally.failures.length > 0) console.log(`\nFailed:\n${tally.failures.map((line) => `  ${line}`).join('\n')}`)
  if (tally.skipped > 0) console.log(`\nNOT A FULL RUN: --no-browser left out ${tally.skipped} files of browser tests.`)
  if (tally.passed + tally.failed === 0) {
    say('No test matches.')
    return 1
  }
  const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : ''
  console.log(`${tally.passed} passed, ${tally.failed} failed${skipped}`)
  return tally.failed === 0 ? 0 : 1
}

runMain(main)
