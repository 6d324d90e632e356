// Shifts the wall clock of a node under test, as a wrong time server would: by the milliseconds in the file DATA_DIR.clock,
// read when the node starts and again on SIGUSR2, told in DATA_DIR.clock.applied. The running clock (performance.now) goes on
// as before. Loaded by `node --import` through NODE_OPTIONS; nothing of it is in what ships.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const dataDir = process.argv[process.argv.indexOf('--data-dir') + 1]
const RealDate = Date
const realNow = Date.now
let offsetMs = 0

const apply = () => {
  const file = `${dataDir}.clock`
  offsetMs = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  writeFileSync(`${file}.applied`, String(offsetMs))
}

globalThis.Date = class extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(realNow() + offsetMs)
    else super(...parts)
  }
  static now() {
    return realNow() + offsetMs
  }
}

if (isMainThread) {
  apply()
  process.on('SIGUSR2', apply)
}
