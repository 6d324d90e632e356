// Writes the README's table of options from the one table in node/cli/options.ts, so that nobody keeps two.
//
//   node scripts/options-table.mjs           writes it between its marks
//   node scripts/options-table.mjs --check   changes nothing; exit code 1 if it is not current

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildProgram } from '../esbuild.config.mjs'
import { CACHE, ROOT, Refusal, runMain, say } from './lib/paths.mjs'

const START = '<!-- options: written by scripts/options-table.mjs -->'
const END = '<!-- end of options -->'

/** The table's module as this program can load it: TypeScript, bundled for the moment. */
const readOptionRows = async () => {
  const outfile = join(CACHE, `options-${process.pid}.mjs`)
  mkdirSync(CACHE, { recursive: true })
  try {
    await buildProgram({ entry: join(ROOT, 'node/cli/options.ts'), outfile })
    const { OPTIONS, nameToFlag, nameToVariable } = await import(pathToFileURL(outfile).href)
    return Object.entries(OPTIONS).map(([name, row]) => ({ name, flag: nameToFlag(name), variable: nameToVariable(name), ...row }))
  } finally {
    for (const file of [outfile, `${outfile}.map`]) rmSync(file, { force: true })
  }
}

const cell = (text) => text.replaceAll('|', '\\|')

/** A default that is not one value is told at the end of the help, after "default:". */
const describeRow = ({ flag, variable, value, fallback, help }) => {
  const [meaning, told] = help.split(/; default: /)
  const shown = value === null ? `--${flag}` : `--${flag} ${value}`
  return `| ${[`\`${cell(shown)}\``, `\`${variable}\``, fallback === null ? (told ?? '') : `\`${fallback}\``, meaning].map((text, i) => (i === 0 ? text : cell(text))).join(' | ')} |`
}

const renderTable = (rows) => ['| option | variable | default | what it does |', '| --- | --- | --- | --- |', ...rows.map(describeRow)].join('\n')

runMain(async () => {
  const path = join(ROOT, 'README.md')
  const page = readFileSync(path, 'utf8')
  const [before, rest] = page.split(START)
  const after = rest?.split(END)[1]
  if (after === undefined) throw new Refusal(`README.md has no place for the options: it needs the lines ${START} and ${END}.`)
  const current = `${before}${START}\n${renderTable(await readOptionRows())}\n${END}${after}`
  if (current === page) return 0
  if (process.argv.includes('--check')) {
    say('The options in README.md are not those of node/cli/options.ts. Run  node scripts/options-table.mjs  and commit it.')
    return 1
  }
  writeFileSync(path, current)
  say('README.md: wrote the options.')
  return 0
})
