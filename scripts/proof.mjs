// Makes docs/proof.md and docs/proof.json from what the long programmes left in .cache/proof (test/support/programme.ts).
//
//   node scripts/proof.mjs            write both
//   node scripts/proof.mjs --print    only print the table

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { CACHE, ROOT, Refusal, runMain, say } from './lib/paths.mjs'

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]

/** Adds numbers up, joins lists of numbers. */
const sumFigures = (lines) => {
  const sums = {}
  for (const { figures } of lines) {
    for (const [name, value] of Object.entries(figures)) sums[name] = Array.isArray(value) ? [...(sums[name] ?? []), ...value] : (sums[name] ?? 0) + value
  }
  return sums
}

const describeFigure = ([name, value]) => {
  if (!Array.isArray(value)) return `${name} ${Math.round(value * 100) / 100}`
  if (value.length === 0) return `${name}: none`
  const sorted = [...value].sort((a, b) => a - b)
  return `${name}: median ${Math.round(quantile(sorted, 0.5))}, p99 ${Math.round(quantile(sorted, 0.99))}, largest ${Math.round(sorted.at(-1))} (of ${sorted.length})`
}

const APART = ['acknowledged', 'faults', 'simulatedMs']

const readRow = (file) => {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line))
  const figures = sumFigures(lines)
  const wallMs = lines.reduce((sum, { ms }) => sum + ms, 0)
  const failed = lines.filter(({ findings }) => findings.length > 0)
  return {
    ...header,
    done: lines.length,
    // Where logs lie is of use only on the machine that has them.
    failed: failed.map(({ unit, findings }) => ({ unit, findings: findings.filter((finding) => !finding.startsWith('logs: ')) })),
    wallSeconds: Math.round(wallMs / 1000),
    simulatedPerSecond: figures.simulatedMs === undefined ? null : Math.round(figures.simulatedMs / wallMs),
    figures,
  }
}

const byId = (a, b) => a.id.localeCompare(b.id, 'en', { numeric: true })

const toMarkdown = (rows) => {
  const cells = rows.map((row) => {
    const { id, title, promise, done, units, failed, figures, wallSeconds, simulatedPerSecond, commit, isDirty } = row
    const others = Object.entries(figures).filter(([name]) => !APART.includes(name))
    const counts = `${done}${done === units ? '' : ` of ${units}`}`
    return `| ${id} | ${title} | ${promise} | ${counts} | ${failed.length} | ${figures.faults ?? ''} | ${figures.acknowledged ?? ''} | ${others.map(describeFigure).join('; ')} | ${wallSeconds} s${simulatedPerSecond === null ? '' : `, ${simulatedPerSecond} simulated s/s`} | ${commit}${isDirty ? ' and changes' : ''} |`
  })
  const [cpu] = cpus()
  return [
    '# What was run, and what it found',
    '',
    'Written by `node scripts/proof.mjs` from the results of `npm run test:long`; [simulation.md](simulation.md) and [real-faults.md](real-faults.md) tell what each programme does and how to replay a unit.',
    'Zero failures in n runs only bound the rate below 3/n; the row of the seeded defects shows that these programmes can fail.',
    '',
    `Machine: ${availableParallelism()} cores, ${cpu?.model ?? 'unknown'}; several programmes at once. Times in milliseconds unless said otherwise.`,
    '',
    '| row | what | must hold | runs | violations | faults | acknowledged | figures | wall time | commit |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...cells,
    '',
  ].join('\n')
}

const main = async () => {
  const directory = join(CACHE, 'proof')
  const files = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.jsonl')) : []
  if (files.length === 0) throw new Refusal('There are no results yet. Run: npm run test:long')
  const rows = files.map((name) => readRow(join(directory, name))).sort(byId)
  const markdown = toMarkdown(rows)
  if (process.argv.includes('--print')) return console.log(markdown)
  writeFileSync(join(ROOT, 'docs/proof.md'), markdown)
  const slim = rows.map(({ figures, ...row }) => ({ ...row, figures: Object.fromEntries(Object.entries(figures).map((entry) => [entry[0], Array.isArray(entry[1]) ? describeFigure(entry) : entry[1]])) }))
  writeFileSync(join(ROOT, 'docs/proof.json'), `${JSON.stringify(slim, null, 2)}\n`)
  say(`Wrote docs/proof.md and docs/proof.json: ${rows.length} rows.`)
  return 0
}

runMain(main)
