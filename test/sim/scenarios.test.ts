// Every scenario of test/sim/scenarios, run on the shipped core, against its expectations and its recorded transcript.
// STARLING_RECORD=1 writes the transcripts anew: read the difference before you commit it.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { expandScenario, runScenario } from './scenario.ts'

const DIRECTORY = join(process.cwd(), 'test/sim/scenarios')
const isRecording = process.env['STARLING_RECORD'] === '1'
const scenarios = suite('scenarios')

const runVariants = (name: string): { readonly findings: readonly string[]; readonly transcript: string } => {
  const text = readFileSync(join(DIRECTORY, `${name}.txt`), 'utf8')
  const results = expandScenario(text).map(({ variant, text: variantText }) => ({ variant, ...runScenario(variantText, { seed: name }) }))
  const transcript = results.map(result => [...(result.variant === '' ? [] : [`== ${result.variant}`]), ...result.transcript].join('\n'))
  return { findings: results.flatMap(({ variant, findings }) => findings.map(finding => `${variant} ${finding}`)), transcript: `${transcript.join('\n\n')}\n` }
}

for (const file of readdirSync(DIRECTORY).filter(entry => entry.endsWith('.txt'))) {
  const name = file.replace('.txt', '')
  scenarios(`[COR2] ${name.replaceAll('-', ' ')}`, () => {
    const { findings, transcript } = runVariants(name)
    const recorded = join(DIRECTORY, `${name}.transcript`)
    if (isRecording) writeFileSync(recorded, transcript)
    assert.equal(findings, [], transcript)
    assert.ok(existsSync(recorded), `${name} has no transcript: record one with STARLING_RECORD=1`)
    assert.is(transcript, readFileSync(recorded, 'utf8'), 'the transcript has changed')
  })
}

scenarios.run()
