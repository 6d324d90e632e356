// The whole of row S3, resumable; see docs/simulation.md. Its share in `npm test` is fuzz.test.ts, which also replays a seed.

import { suite } from 'uvu'
import { runRow } from './long-rows.ts'

const programme = suite('S3, long')

programme('[COR2] every seed of S3 holds', () => runRow('S3'))

programme.run()
