// deadline: 900 s
// The programme that finds nothing must be able to find something: each seeded defect of crdt-schema/mutation.ts is planted
// in turn, and the fuzz of one row has to catch it. So that this takes a minute, each starts at a row and a seed known to
// catch it soon; mutants.long.test.ts knows neither. A seed means something else after a change of the plans: then the search
// goes on for a while, and where it takes long a new start belongs here.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MUTANTS, type Mutant } from '../../crdt-schema/mutation.ts'
import { huntMutant } from './mutants.ts'
import type { RowId } from './plans.ts'

const RUNS_MAX = 60
const SIMULATED_MS = 20_000

const STARTS: Readonly<Record<Mutant, readonly [row: RowId, firstSeed: number]>> = {
  'acknowledge-early': ['S3', 2],
  'no-fsync': ['S1', 1],
  'no-ready-gate': ['S1', 2],
  'no-fence-no-self-suspicion': ['S1', 2],
  'no-flush': ['S1', 1],
  'delete-by-key': ['S1', 1],
  'reused-client-id': ['S3', 7],
  'last-writer-wins-names': ['S2', 4],
  'no-checksum': ['S3', 7],
  'no-digest': ['S3', 3],
  'snapshot-before-subscribe': ['S1', 1],
  'swallowed-disk-full': ['S3', 2],
  'sessions-by-clock': ['S1', 1],
  'expiring-removal-marks': ['S1', 1],
  'outbox-cleared-before-receipt': ['S1', 2],
  'retry-with-a-new-id': ['S1', 5],
  'no-relay': ['S2', 1],
  'fixed-view': ['S1', 4],
  'hlc-not-stored': ['S1', 1],
  'message-array': ['S2', 2]
}

const mutants = suite('mutants')

for (const mutant of MUTANTS) {
  mutants(`[COR2] ${mutant} is caught`, () => {
    const [row, firstSeed] = STARTS[mutant]
    const caught = huntMutant(mutant, { rows: [row], firstSeed, runsMax: RUNS_MAX, simulatedMs: SIMULATED_MS })
    assert.is.not(caught, null, `${mutant} survived ${RUNS_MAX} seeds of ${row}: a fault, a workload or a checker is missing`)
    console.log(`    ${mutant}: ${row} seed ${caught?.seed}, run ${caught?.runs}: ${caught?.finding.slice(0, 140)}`)
  })
}

mutants.run()
