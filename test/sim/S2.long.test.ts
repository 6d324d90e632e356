// The whole of row S2, resumable; see docs/simulation.md. Its share in `npm test` is fuzz.test.ts, which also replays a seed.

import { suite } from 'uvu'
import { runRow } from './long-rows.ts'

const programme = suite('S2, long')

programme('[COR2] every seed of S2 holds', () => runRow('S2'))

programme.run()
