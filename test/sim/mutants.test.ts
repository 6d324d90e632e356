// deadline: 900 s
// The programme that finds nothing must be able to find something: each seeded defect of crdt-schema/mutation.ts is planted
// in turn, and the fuzz of one row has to catch it. So that this takes a minute, each starts at a row and a seed known to
// catch it soon; mutants.long.test.ts knows neither. A seed means something else after a change of the plans: then the search
// goes on for a while, and where it takes long a new start belongs here. One is rare in random plans and has a written one.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MUTANTS, type Mutant, plantMutant } from '../../crdt-schema/mutation.ts'
import { huntMutant } from './mutants.ts'
import { createObserver } from './observer.ts'
import type { RowId } from './plans.ts'
import { runScenario } from './scenario.ts'

const RUNS_MAX = 60

interface Start {
  readonly row: RowId
  readonly seed: number
  readonly simulatedMs: number
}

const at = (row: RowId, seed: number, simulatedMs = 20_000): Start => ({ row, seed, simulatedMs })

const STARTS: Readonly<Record<Exclude<Mutant, 'no-flush'>, Start>> = {
  'acknowledge-early': at('S3', 1),
  'no-fsync': at('S1', 1),
  'no-ready-gate': at('S1', 2),
  'no-fence-no-self-suspicion': at('S1', 2),
  'delete-by-key': at('S1', 1),
  'reused-client-id': at('S3', 7, 25_000),
  'last-writer-wins-names': at('S2', 5),
  'no-checksum': at('S3', 7),
  'no-digest': at('S3', 3),
  'snapshot-before-subscribe': at('S1', 5, 25_000),
  'swallowed-disk-full': at('S3', 2),
  'sessions-by-clock': at('S1', 12, 50_000),
  'expiring-removal-marks': at('S1', 3),
  'outbox-cleared-before-receipt': at('S1', 3),
  'retry-with-a-new-id': at('S1', 5),
  'no-relay': at('S2', 1),
  'fixed-view': at('S1', 4),
  'hlc-not-stored': at('S1', 25),
  'message-array': at('S2', 2)
}

const mutants = suite('mutants')

/** The coordinator dies when one of two others has what it pushed; the sender asks that one again, and reads through the other. */
const HALF_PUSHED = `nodes 3
start all
run 4s
ana signs-up via 0
ben signs-up via 0
run 1s
delay 0>2 600ms
run 100ms
ana sends "x0" to ben via 0
ana sends "x1" to ben via 0
ana sends "x2" to ben via 0
ana sends "x3" to ben via 0
run 8ms
kill 0
run 2s
ana reads via 1
run 100ms
ana reads via 2
run 3s
heal
expect answered within 30s
expect stored within 30s`

const findingsOf = (mutant: Mutant | null): readonly string[] => {
  plantMutant(mutant)
  try {
    return runScenario(HALF_PUSHED, { seed: '1', watch: createObserver({ isParted: false }) }).findings
  } finally {
    plantMutant(null)
  }
}

mutants('[COR2] no-flush is caught', () => {
  assert.equal(findingsOf(null), [])
  const [finding = ''] = findingsOf('no-flush')
  assert.match(finding, /K[16]/)
  console.log(`    no-flush: written plan: ${finding.slice(0, 140).split('\n')[0]}`)
})

for (const mutant of MUTANTS) {
  if (mutant === 'no-flush') continue
  mutants(`[COR2] ${mutant} is caught`, () => {
    const { row, seed, simulatedMs } = STARTS[mutant]
    const caught = huntMutant(mutant, { rows: [row], firstSeed: seed, runsMax: RUNS_MAX, simulatedMs })
    assert.is.not(caught, null, `${mutant} survived ${RUNS_MAX} seeds of ${row}: a fault, a workload or a checker is missing`)
    console.log(`    ${mutant}: ${row} seed ${caught?.seed}, run ${caught?.runs}: ${caught?.finding.slice(0, 140)}`)
  })
}

mutants.run()
