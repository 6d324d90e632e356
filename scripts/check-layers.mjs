// Enforces the arrows between rooms: who may import whom, no cycles, no barrels, and no clock or chance in the core.
//
//   node scripts/check-layers.mjs [ROOT]
//
// Prints one line per violation and exits 1 if there is any. Type-only imports count like others: a room that needs
// another's types depends on it.

import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripText } from './lib/strip-text.mjs'

const ANY = () => true
const NONE = () => false
const only = (...names) => (name) => names.includes(name)
const allBut = (...names) => (name) => !names.includes(name)

/** First match wins. `to`: rooms it may import; `packages`: npm packages; `builtins`: whether Node's own modules. */
const ROOMS = [
  { room: 'crdt-schema', match: /^crdt-schema\//, to: [], packages: only('yjs', 'lib0', 'valibot', 'y-protocols'), builtins: false },
  { room: 'node/core', match: /^node\/core\//, to: ['crdt-schema'], packages: only('yjs', 'lib0'), builtins: false },
  { room: 'node/adapters', match: /^node\/adapters\//, to: ['crdt-schema', 'node/core'], packages: ANY, builtins: true },
  { room: 'node/runtime', match: /^node\/runtime(\.ts$|\/)/, to: ['crdt-schema', 'node/core'], packages: ANY, builtins: true },
  { room: 'node/cli', match: /^node\/cli\//, to: ['crdt-schema', 'node/core', 'node/runtime', 'node/adapters'], packages: ANY, builtins: true },
  { room: 'node/main', match: /^node\/main\.ts$/, to: ['crdt-schema', 'node/core', 'node/runtime', 'node/adapters', 'node/cli'], packages: ANY, builtins: true },
  { room: 'web/link', match: /^web\/link\//, to: ['crdt-schema'], packages: allBut('preact'), builtins: false },
  { room: 'web/model', match: /^web\/model\//, to: ['crdt-schema', 'web/link'], packages: allBut('preact', 'y-websocket', 'y-indexeddb'), builtins: false },
  { room: 'web/view', match: /^web\/view\//, to: ['crdt-schema', 'web/model'], packages: allBut('yjs', 'y-websocket', 'y-indexeddb', 'lib0'), builtins: false },
  { room: 'web/main', match: /^web\/main\.tsx$/, to: ['crdt-schema', 'web/link', 'web/model', 'web/view'], packages: ANY, builtins: false },
  { room: 'web/service-worker', match: /^web\/service-worker\.ts$/, to: ['crdt-schema'], packages: NONE, builtins: false },
]

/** What makes two runs with one seed differ; rooms that the simulator runs must not contain it [COR1]. */
const FORBIDDEN_IN_CORE = [
  [/\bMath\s*\.\s*random\b/, 'Math.random: randomness arrives in events'],
  [/\bDate\s*\.\s*now\b/, 'Date.now: clocks arrive with events'],
  [/\bnew\s+Date\s*\(\s*\)/, 'new Date(): clocks arrive with events'],
  [/\bperformance\s*\.\s*now\b/, 'performance.now: clocks arrive with events'],
  [/\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/, 'a timer: time arrives in tick events'],
  [/\bconsole\s*\./, 'console: logging is an effect'],
  [/\bgetRandomValues\b/, 'getRandomValues: randomness arrives in events'],
  [/\b(async|await)\s/, 'async code: the core makes no promises'],
]
const CORE_LINES_MAX = 400

const listSources = (root, directory) => {
  const path = join(root, directory)
  if (!existsSync(path)) return []
  return readdirSync(path)
    .sort()
    .flatMap((name) => {
      const child = `${directory}/${name}`
      if (statSync(join(root, child)).isDirectory()) return name === 'node_modules' ? [] : listSources(root, child)
      return /\.(tsx?|mjs)$/.test(name) && !name.endsWith('.d.ts') ? [child] : []
    })
}

/** Specifiers a source imports, with their lines. `code` has its comments blanked but its strings kept. */
const readImports = (code) => {
  const patterns = [/^[ \t]*(?:import|export)\b[^'"`;=]*?\bfrom\s*['"]([^'"\n]+)['"]/gm, /^[ \t]*import\s*['"]([^'"\n]+)['"]/gm, /\bimport\s*\(\s*['"]([^'"\n]+)['"]/g]
  return patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((found) => ({ specifier: found[1], line: lineAt(code, found.index + found[0].indexOf(found[0].trimStart())) })),
  )
}

const lineAt = (text, index) => text.slice(0, index).split('\n').length
const isBuiltin = (specifier) => specifier.startsWith('node:') || builtinModules.includes(specifier)
const packageOf = (specifier) => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')

/** Adapters named alike (level-store.ts, level-log.ts, level/…) are one adapter; its family is that first word. */
const adapterFamily = (path) => path.split('/')[2].replace(/\.tsx?$/, '').split('-')[0].replace(/s$/, '')

/** The shortest way from `start` back to itself, or null. */
const findShortestCycle = (graph, start) => {
  const cameFrom = new Map()
  const queue = [start]
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    for (const next of graph.get(path) ?? []) {
      if (next === start) {
        const trail = [path]
        while (trail[0] !== start) trail.unshift(cameFrom.get(trail[0]))
        return [...trail, start]
      }
      if (cameFrom.has(next)) continue
      cameFrom.set(next, path)
      queue.push(next)
    }
  }
  return null
}

/** Short cycles through every file that lies on one, each told once: breaking them all leaves none. */
const findCycles = (graph) => {
  const told = new Map()
  for (const start of graph.keys()) {
    const cycle = findShortestCycle(graph, start)
    if (cycle !== null && !told.has(cycle.slice(1).sort().join())) told.set(cycle.slice(1).sort().join(), cycle)
  }
  return [...told.values()]
}

const checkImport = ({ path, room, specifier, root, sources }) => {
  if (!specifier.startsWith('.')) {
    if (isBuiltin(specifier)) return { fault: room.builtins ? null : `${room.room} must not import Node's own '${specifier}'` }
    return { fault: room.packages(packageOf(specifier)) ? null : `${room.room} must not import the package '${packageOf(specifier)}'` }
  }
  const target = posix.normalize(posix.join(posix.dirname(path), specifier))
  if (/\.(css|json)$/.test(target)) return { fault: existsSync(join(root, target)) ? null : `imports ${target}, which does not exist` }
  if (!/\.tsx?$/.test(target)) return { fault: `imports '${specifier}' without its .ts or .tsx ending` }
  if (!sources.has(target)) return { fault: `imports ${target}, which does not exist in any room` }
  const other = ROOMS.find(({ match }) => match.test(target))
  if (other === undefined) return { fault: null, target }
  if (other.room === 'node/main' || other.room === 'web/main' || other.room === 'web/service-worker') return { fault: `imports ${target}, a root that nobody imports`, target }
  if (other.room === room.room) {
    const isStranger = room.room === 'node/adapters' && adapterFamily(path) !== adapterFamily(target)
    return { fault: isStranger ? `an adapter imports another adapter, ${target}` : null, target }
  }
  return { fault: room.to.includes(other.room) ? null : `${room.room} must not import ${other.room} (${target})`, target }
}

/** All violations below `root`, one line of text each. */
export const checkLayers = (root) => {
  const faults = []
  const production = ['crdt-schema', 'node', 'web'].flatMap((directory) => listSources(root, directory))
  const sources = new Set(production)
  const graph = new Map()
  for (const path of production) {
    const source = readFileSync(join(root, path), 'utf8')
    const add = (text, line) => faults.push(`${path}${line === undefined ? '' : `:${line}`}: ${text}`)
    if (!/^(#!.*\n)?\s*\/[/*]/.test(source)) add('does not open with a comment that says what lives there')
    if (/(^|\/)index\.tsx?$/.test(path)) add('is a barrel; import the file that holds the thing')
    const room = ROOMS.find(({ match }) => match.test(path))
    if (room === undefined) {
      add('lies in no room; see ROOMS in scripts/check-layers.mjs')
      continue
    }
    const code = stripText(source, { strings: false })
    const targets = []
    for (const { specifier, line } of readImports(code)) {
      const { fault, target } = checkImport({ path, room, specifier, root, sources })
      if (fault !== null) add(fault, line)
      if (target !== undefined && sources.has(target)) targets.push(target)
    }
    graph.set(path, targets)
    if (room.room !== 'node/core' && room.room !== 'crdt-schema') continue
    const bare = stripText(source, { strings: true }).split('\n')
    for (const [index, text] of bare.entries()) {
      for (const [pattern, why] of FORBIDDEN_IN_CORE) if (pattern.test(text)) add(why, index + 1)
    }
    const lines = source.trimEnd().split('\n').length
    if (room.room === 'node/core' && lines > CORE_LINES_MAX) add(`has ${lines} lines; a file of the core has at most ${CORE_LINES_MAX}`)
  }
  for (const path of [...listSources(root, 'scripts'), 'esbuild.config.mjs'].filter((path) => existsSync(join(root, path)))) {
    if (!/^(#!.*\n)?\s*\/[/*]/.test(readFileSync(join(root, path), 'utf8'))) faults.push(`${path}: does not open with a comment that says what lives there`)
  }
  for (const cycle of findCycles(graph)) faults.push(`cycle: ${cycle.join(' → ')}`)
  return faults
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = checkLayers(process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url))))
  for (const fault of faults) console.log(fault)
  console.log(faults.length === 0 ? 'layers: ok' : `layers: ${faults.length} violations`)
  process.exitCode = faults.length === 0 ? 0 : 1
}
