// Every scenario of test/sim/scenarios, run on the shipped core, against its expectations and its recorded transcript.
// STARLING_RECORD=1 writes the transcripts anew: read the difference before you commit it. What is compared is what happened
// between two lines of the scenario, not when or in which order, and not how far an
// epoch leapt: a core that sends one frame more is not another core.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createObserver } from './observer.ts'
import { type ScenarioResult, expandScenario, runScenario } from './scenario.ts'

const DIRECTORY = join(process.cwd(), 'test/sim/scenarios')
const isRecording = process.env['STARLING_RECORD'] === '1'
const scenarios = suite('scenarios')

/** With the checkers that look on while it runs. */
const runWatched = (seed: string, text: string): ScenarioResult => {
  const watch = createObserver({ isParted: text.includes('\nparted\n') })
  return runScenario(text, { seed, watch, onLine: (_, line) => watch.onLine(line) })
}

const runVariants = (name: string): { readonly findings: readonly string[]; readonly transcript: string } => {
  const text = readFileSync(join(DIRECTORY, `${name}.txt`), 'utf8')
  const results = expandScenario(text).map(({ variant, text: variantText }) => ({ variant, ...runWatched(name, variantText) }))
  const transcript = results.map(result => [...(result.variant === '' ? [] : [`== ${result.variant}`]), ...result.transcript].join('\n'))
  return { findings: results.flatMap(({ variant, findings }) => findings.map(finding => `${variant} ${finding}`)), transcript: `${transcript.join('\n\n')}\n` }
}

/** Each line of the scenario with the set of answers, roles and phases that came of it. */
const essenceOf = (transcript: string): string => {
  const essence: string[] = []
  let events = new Set<string>()
  const flush = (): void => {
    essence.push(...[...events].sort())
    events = new Set()
  }
  for (const line of transcript.split('\n')) {
    const event = /^ +\d+\.\d  (.*)$/.exec(line)?.[1]
    if (event === undefined) {
      flush()
      essence.push(line)
    } else if (!/ (starting|recovering|syncing), /.test(event)) events.add(`  ${event.replace(/, sees [\d ]*$/, '').replace(/epoch \d{4,}/, 'epoch far above')}`)
  }
  flush()
  return essence.join('\n')
}

for (const file of readdirSync(DIRECTORY).filter(entry => entry.endsWith('.txt'))) {
  const name = file.replace('.txt', '')
  scenarios(`[COR2] ${name.replaceAll('-', ' ')}`, () => {
    const { findings, transcript } = runVariants(name)
    const recorded = join(DIRECTORY, `${name}.transcript`)
    if (isRecording) writeFileSync(recorded, transcript)
    assert.equal(findings, [], transcript)
    assert.ok(existsSync(recorded), `${name} has no transcript: record one with STARLING_RECORD=1`)
    assert.is(essenceOf(transcript), essenceOf(readFileSync(recorded, 'utf8')), 'the transcript has changed')
  })
}

scenarios.run()
