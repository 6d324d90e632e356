// The whole of row S1, resumable; see docs/simulation.md. Its share in `npm test` is fuzz.test.ts, which also replays a seed.

import { suite } from 'uvu'
import { runRow } from './long-rows.ts'

const programme = suite('S1, long')

programme('[COR2] every seed of S1 holds', () => runRow('S1'))

programme.run()
