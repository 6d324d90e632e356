// What is built from what: the node's programs, the browser's files and the tests, all by esbuild.
// An entry point that does not exist yet is skipped and named in the result, never an error.
// The files are first built beside their place and then renamed, so a node that starts meanwhile never reads half of one.

import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as esbuild from 'esbuild'

const TARGET_NODE = 'node20'
const TARGET_WEB = ['es2022', 'chrome110', 'firefox115', 'safari16.4']

const nodeOptions = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: TARGET_NODE,
  packages: 'external', // one copy of yjs and of the native addons in a process
  define: { STARLING_MUTANTS: 'false' }, // no seeded defects in what ships: crdt-schema/mutation.ts
  minifySyntax: true, // drops what that leaves without use
  logLevel: 'silent',
}

/** The node's programs: entry point → file under dist. */
const NODE_ENTRIES = {
  'node/main.ts': 'node.js',
  'node/adapters/password-worker.ts': 'password-worker.js',
}

/** Puts another file in the place of node/runtime.ts, as node/main.ts imports it. */
const replaceRuntime = (file) => ({
  name: 'runtime of a test build',
  setup: (build) => build.onResolve({ filter: /\/runtime\.ts$/ }, ({ importer }) => (/[\\/]node[\\/]main\.ts$/.test(importer) ? { path: file } : undefined)),
})

/**
 * Builds node.js and password-worker.js into `outdir`; resolves to the entry points that were missing.
 * `runtime`: a file that takes the place of node/runtime.ts, for a test build (test/support/failpoint-runtime.ts).
 * `hasMutants`: that file may plant the defects of crdt-schema/mutation.ts (test/support/defect-runtime.ts).
 *
 * @param {{ root: string, outdir: string, runtime?: string | null, hasMutants?: boolean }} options
 * @returns {Promise<string[]>}
 */
export const buildNode = async ({ root, outdir, runtime = null, hasMutants = false }) => {
  const present = Object.entries(NODE_ENTRIES).filter(([entry]) => existsSync(join(root, entry)))
  mkdirSync(outdir, { recursive: true })
  for (const [entry, name] of present) {
    const output = await esbuild.build({
      ...nodeOptions,
      ...(hasMutants ? { define: { STARLING_MUTANTS: 'true' } } : {}),
      plugins: runtime === null ? [] : [replaceRuntime(runtime)],
      entryPoints: [join(root, entry)],
      outfile: join(outdir, name),
      sourcemap: true,
      write: false,
    })
    for (const file of output.outputFiles) writeWhole(file.path, file.contents)
  }
  return Object.keys(NODE_ENTRIES).filter((entry) => !present.some(([known]) => known === entry))
}

/** Builds one program that scripts use (a load generator, say) from `entry` to `outfile`. */
export const buildProgram = ({ entry, outfile }) =>
  esbuild.build({ ...nodeOptions, entryPoints: [entry], outfile, sourcemap: true })

/**
 * Builds the browser's files into `outdir`, whole or not at all:
 * main-HASH.js and main-HASH.css (and chunks) from web/main.tsx, index.html with those names in place of /main.js and
 * /main.css, everything in web/public as it is, shell.json (the files a page needs to start), and service-worker.js,
 * which is given that list as SHELL_FILES and its hash as SHELL_VERSION.
 */
export const buildWeb = async ({ root, outdir }) => {
  const main = join(root, 'web/main.tsx')
  const page = join(root, 'web/index.html')
  const worker = join(root, 'web/service-worker.ts')
  if (!existsSync(main) || !existsSync(page)) return ['web/main.tsx, web/index.html']
  const fresh = `${outdir}.${process.pid}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true })

  const options = {
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: TARGET_WEB,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    minify: true,
    legalComments: 'none',
    logLevel: 'silent',
    define: { 'process.env.NODE_ENV': '"production"', STARLING_MUTANTS: 'false' },
  }
  const bundled = await esbuild.build({
    ...options,
    entryPoints: [{ in: main, out: 'main' }],
    outdir: fresh,
    entryNames: '[name]-[hash]',
    chunkNames: 'chunk-[hash]',
    assetNames: 'asset-[hash]',
    splitting: true,
    sourcemap: true,
    metafile: true,
  })
  const outputs = Object.entries(bundled.metafile.outputs)
  const scriptName = nameOf(outputs.find(([, { entryPoint }]) => entryPoint?.endsWith('web/main.tsx'))?.[0]) // parts that are imported later have one, too
  const styleName = nameOf(outputs.find(([path]) => /main-\w+\.css$/.test(path))?.[0])

  let html = readFileSync(page, 'utf8').replaceAll('/main.js', `/${scriptName}`)
  if (styleName !== '') html = html.replaceAll('/main.css', `/${styleName}`)
  writeFileSync(join(fresh, 'index.html'), html)
  if (existsSync(join(root, 'web/public'))) cpSync(join(root, 'web/public'), fresh, { recursive: true })

  const files = listFiles(fresh).filter((path) => !path.endsWith('.map'))
  const shell = {
    version: hashFiles(fresh, files).slice(0, 16),
    files: files.map((path) => (path === 'index.html' ? '/' : `/${path}`)).sort(),
  }
  writeFileSync(join(fresh, 'shell.json'), `${JSON.stringify(shell, null, 2)}\n`)
  if (existsSync(worker)) {
    await esbuild.build({
      ...options,
      format: 'iife',
      entryPoints: [worker],
      outfile: join(fresh, 'service-worker.js'),
      define: { ...options.define, SHELL_FILES: JSON.stringify(shell.files), SHELL_VERSION: JSON.stringify(shell.version) },
    })
  }
  const old = `${outdir}.${process.pid}.old`
  if (existsSync(outdir)) renameSync(outdir, old)
  renameSync(fresh, outdir)
  rmSync(old, { recursive: true, force: true })
  return existsSync(worker) ? [] : ['web/service-worker.ts']
}

/** Builds one test file, with everything of ours that it imports, to `outfile`. */
export const buildTest = ({ entry, outfile }) =>
  esbuild.build({
    ...nodeOptions,
    define: { STARLING_MUTANTS: 'true' },
    minifySyntax: false,
    entryPoints: [entry],
    outfile,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    sourcemap: 'inline',
    sourcesContent: false,
    loader: { '.css': 'empty' },
  })

/** esbuild's errors as text for people, with file and line. */
export const describeBuildError = async (error) =>
  Array.isArray(error?.errors)
    ? (await esbuild.formatMessages(error.errors, { kind: 'error', color: false })).join('\n')
    : String(error?.stack ?? error)

const writeWhole = (path, contents) => {
  const fresh = `${path}.${process.pid}.new`
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(fresh, contents)
  renameSync(fresh, path)
}

const nameOf = (path) => path?.split(/[\\/]/).at(-1) ?? ''

/** Paths of all files below `directory`, relative to it, with forward slashes, sorted. */
export const listFiles = (directory, prefix = '') => {
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .sort()
    .flatMap((name) => {
      const path = join(directory, name)
      return statSync(path).isDirectory() ? listFiles(path, `${prefix}${name}/`) : [`${prefix}${name}`]
    })
}

/** sha-256 over names and contents of `files` (relative to `directory`), as hex. */
export const hashFiles = (directory, files) => {
  const hash = createHash('sha256')
  for (const path of files) hash.update(`${path}\n`).update(readFileSync(join(directory, path))).update('\n')
  return hash.digest('hex')
}
