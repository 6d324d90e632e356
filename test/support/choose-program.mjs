// Runs the program that a file names for this node, so that the nodes of one cluster may be of different versions.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const pid = process.argv[process.argv.indexOf('--pid') + 1]
await import(pathToFileURL(readFileSync(join(process.env.STARLING_PROGRAMS ?? '', `program-${pid}`), 'utf8')).href)
