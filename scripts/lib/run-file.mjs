// Runs one program in a process group of its own with a deadline, and reads what uvu printed.
// The group is killed when the program ends, so a test that forgot its nodes leaves none behind.

import { spawn } from 'node:child_process'

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024
const running = new Set()

const killGroup = (child) => {
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error // ESRCH: nobody is left
  }
}

/** Kills what still runs; for the moment the runner itself is told to stop. */
export const killRunning = () => {
  for (const child of running) killGroup(child)
}

/** Resolves to {code, signal, output, timedOut, ms}; never rejects. `code` is null if it was killed or never started. */
export const runProgram = ({ command, args, cwd, env, deadlineMs }) =>
  new Promise((resolve) => {
    const started = performance.now()
    const chunks = []
    let size = 0
    let timedOut = false
    const child = spawn(command, args, { cwd, env, detached: process.platform !== 'win32', stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    const collect = (chunk) => {
      if (size < OUTPUT_BYTES_MAX) chunks.push(chunk)
      size += chunk.length
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    const timer = setTimeout(() => {
      timedOut = true
      killGroup(child)
    }, deadlineMs)
    const finish = (code, signal, note) => {
      if (!running.delete(child)) return
      clearTimeout(timer)
      const cut = size > OUTPUT_BYTES_MAX ? `\n(output cut at ${OUTPUT_BYTES_MAX} of ${size} bytes)\n` : ''
      resolve({ code, signal, timedOut, output: Buffer.concat(chunks).toString('utf8') + cut + note, ms: performance.now() - started })
    }
    child.on('error', (error) => finish(null, null, `\n${error.message}\n`))
    // 'exit' and not 'close': a forgotten grandchild may hold the pipes open for ever.
    child.on('exit', (code, signal) => {
      killGroup(child)
      setTimeout(() => finish(code, signal, ''), 20) // what is still in the pipes
    })
  })

/** The last count of each kind that uvu printed, or null where it printed none. */
export const readCounts = (output) => {
  const last = (word) => {
    const all = [...output.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)\\s*$`, 'gm'))]
    const text = all.at(-1)?.[1]
    return text === undefined ? null : Number(text)
  }
  return { total: last('Total'), passed: last('Passed'), skipped: last('Skipped') }
}

/** What a finished test file amounts to: {passed, failed, reason}; reason is null if all is well. */
export const judge = ({ result, deadlineMs }) => {
  const { total, passed, skipped } = readCounts(result.output)
  const failedAtLeast = Math.max(1, (total ?? 0) - (passed ?? 0))
  const fail = (reason) => ({ passed: passed ?? 0, failed: failedAtLeast, reason })
  if (result.timedOut) {
    return fail(
      total === null
        ? `killed at its deadline of ${deadlineMs / 1000} s`
        : `killed at its deadline of ${deadlineMs / 1000} s: all tests had ended, but something kept the process alive (a socket, a timer, a child)`,
    )
  }
  if (result.code === null) return fail(result.signal === null ? 'did not start' : `ended by ${result.signal}`)
  if (total === null || total === 0) return fail('no test ran (is .run() missing, or did the process end early?)')
  const printed = result.output.match(/^\s+FAIL\b/gm)?.length ?? 0
  if (passed !== total) {
    const silent = printed < total - passed ? '; not all were run: a hook that throws stops uvu without a word' : ''
    return fail(`${total - passed} of ${total} tests failed${silent}`)
  }
  if (skipped !== 0) return fail(`${skipped} tests were skipped`)
  if (result.code !== 0) return fail(`exit code ${result.code} although ${passed} tests passed`)
  return { passed, failed: 0, reason: null }
}
