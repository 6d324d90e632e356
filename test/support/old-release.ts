// Builds an earlier version of the node from the history of the repository, to run it beside the one under test [FAULTS P18].

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()

/** The last commit before nodes wrote frames that refer back to others: its nodes know `frames` 1. */
export const FIRST_FRAMES_COMMIT = 'e759469'

/** Resolves to the program of that commit, or to why it cannot be had: an unpacked source has no history. */
export const buildOldNode = (commit = FIRST_FRAMES_COMMIT): { readonly program: string } | { readonly refusal: string } => {
  const tree = join(ROOT, '.cache/old', commit)
  const program = join(tree, 'dist/node.js')
  if (existsSync(program)) return { program }
  try {
    execFileSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: ROOT, stdio: 'pipe' })
  } catch {
    return { refusal: `there is no commit ${commit} here` }
  }
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree, { recursive: true })
  const archive = execFileSync('git', ['archive', commit, 'node', 'crdt-schema', 'web', 'scripts', 'esbuild.config.mjs', 'package.json', 'tsconfig.json'], { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 })
  execFileSync('tar', ['-x'], { cwd: tree, input: archive })
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
  const build = `import { buildNode } from './esbuild.config.mjs'\nawait buildNode({ root: process.cwd(), outdir: 'dist' })`
  execFileSync(process.execPath, ['--input-type=module', '-e', build], { cwd: tree, stdio: 'pipe' })
  return { program }
}
