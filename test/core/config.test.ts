// The relations between timings that the rules assume, asserted before a node starts [LIV1, LIV3, REP6, COO1].

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Config, DEFAULTS, assertConfig } from '../../node/core/config.ts'
import { configOf } from '../support/cores.ts'

const relations = suite('config')

const refuses = (config: Partial<Config>, words: RegExp): void => assert.throws(() => assertConfig(configOf(0, 3, config)), words)

relations('the defaults fit together', () => assertConfig(configOf(0, 3)))

relations('[LIV3] a node suspects itself before others call it behind, and they before they call it dead', () => {
  refuses({ pauseMs: DEFAULTS.ackTimeoutMs }, /pauseMs must be below ackTimeoutMs/)
  refuses({ ackTimeoutMs: DEFAULTS.deadMs }, /ackTimeoutMs must be below deadMs/)
})

relations('[LIV1] a pause is longer than a heartbeat, and silence than four of them', () => {
  refuses({ heartbeatMs: DEFAULTS.pauseMs }, /heartbeatMs must be below pauseMs/)
  refuses({ tickMs: DEFAULTS.heartbeatMs + 1 }, /heartbeatMs must be below pauseMs/)
  refuses({ heartbeatMs: 400 }, /four heartbeats/)
})

relations('[COO1] a set of ready members is quiet for a heartbeat at least', () => refuses({ settleMs: DEFAULTS.heartbeatMs - 1 }, /settleMs/))

relations('a node is among its own peers', () => refuses({ peers: new Map() }, /peers must name this pid/))

relations.run()
