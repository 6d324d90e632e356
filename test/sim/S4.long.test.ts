// The whole of row S4, resumable; see docs/simulation.md. Its share in `npm test` is fuzz.test.ts, which also replays a seed.

import { suite } from 'uvu'
import { runRow } from './long-rows.ts'

const programme = suite('S4, long')

programme('[COR2] every seed of S4 holds', () => runRow('S4'))

programme.run()
