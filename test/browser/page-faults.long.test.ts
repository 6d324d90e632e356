// FAULTS C2, C3, C6, C7, C8 and C11 with their counts: tabs, sessions and clocks of a browser fail, or its node at the worst
// moment. C1 and C9 have files of their own, C4 is in edges.test.ts, C10 in cluster/client-storm.long.test.ts.

import { writeFileSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { suite } from 'uvu'
import { launchBrowser } from '../support/browser.ts'
import { CLOCK_ENV } from '../support/clocks.ts'
import type { Cluster, ClusterOptions } from '../support/cluster.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { playAbsence, playEndedSession, playLaggingNode, playLostAnswers, playTabs, playWrongClock } from '../support/page-faults.ts'
import { type Programme, type UnitResult, runProgramme } from '../support/programme.ts'

const LOST_ANSWERS = 100
const LOST_IN_A_UNIT = 10
const QUEUED = 200
const MINUTE_MS = 60_000
const DAY_MS = 1440 * MINUTE_MS
const ABSENCES: Readonly<Record<string, number>> = { 'a minute': MINUTE_MS, 'a day': DAY_MS, '30 days': 30 * DAY_MS }
const TIMES = 5

const faults = suite('page faults')

/** A programme whose units have a cluster and a browser each. */
const run = async (programme: Omit<Programme, 'run' | 'replay' | 'isReal'>, play: (cluster: Cluster, browser: Browser, unit: string) => Promise<UnitResult>, options: ClusterOptions = {}): Promise<void> => {
  await runProgramme({
    ...programme,
    isReal: true,
    replay: replayOf('browser/page-faults.long'),
    run: async (unit) => {
      const browser = await launchBrowser()
      try {
        return await runOnCluster(`${programme.id}-${unit}`, (cluster) => play(cluster, browser, unit), options)
      } finally {
        await browser.close()
      }
    },
  })
}

const numbered = (name: string, count: number): string[] => Array.from({ length: count }, (_, place) => `${name}/${place}`)

faults(`C2: a node stores a message and dies before the page hears so, ${LOST_ANSWERS} times`, () =>
  run({ id: 'C2', title: 'the page’s node stores a message and is killed before the page hears so', promise: 'it comes exactly once', units: numbered('unheard', LOST_ANSWERS / LOST_IN_A_UNIT) }, async (cluster, browser) => {
    const { findings } = await playLostAnswers(cluster, browser, LOST_IN_A_UNIT)
    return { findings, figures: { faults: LOST_IN_A_UNIT } }
  }))

faults('C7: the clock of the device is a day off', () =>
  run({ id: 'C7', title: 'the device’s clock is a day ahead, a day back; it and another send in turn', promise: 'the page has the order of the nodes, by their time, and nobody is signed out', units: ['ahead', 'back'] }, async (cluster, browser, unit) => {
    const { findings } = await playWrongClock(cluster, browser, 10, unit === 'ahead' ? DAY_MS : -DAY_MS)
    return { findings, figures: { faults: 1 } }
  }))

faults('C8: the session ends while the outbox is full', () =>
  run({ id: 'C8', title: 'the session of a page with 20 messages in its outbox is ended', promise: 'kept, and sent once and in order after signing in', units: numbered('ended', TIMES) }, async (cluster, browser) => {
    const { findings } = await playEndedSession(cluster, browser, 20)
    return { findings, figures: { faults: 1 } }
  }))

faults('C11: the page moves to a node that lags', () =>
  run(
    { id: 'C11', title: 'one node hears nothing of the others while 20 messages come; then the others die', promise: 'the page never shows fewer than it did', units: numbered('lagging', TIMES) },
    async (cluster, browser) => {
      const { findings } = await playLaggingNode(cluster, browser, 20)
      return { findings, figures: { faults: 1 } }
    },
    { proxied: true },
  ))

faults('C6: two and five tabs with one outbox, one of them goes', () =>
  run({ id: 'C6', title: 'two and five tabs: a draft sent from two at once; the one that filled the outbox closes before there is a node', promise: 'nothing is sent twice, nothing is left behind', units: [...numbered('2', TIMES), ...numbered('5', TIMES)] }, async (cluster, browser, unit) => {
    const { findings } = await playTabs(cluster, browser, Number(unit.split('/')[0]), 'tabs')
    return { findings, figures: { faults: 2 } }
  }))

faults(`C3: ${QUEUED} drafts are edited and sent while no node answers, for a minute, a day, 30 days`, () =>
  run(
    { id: 'C3', title: `${QUEUED} messages sent, some of them edited before, while no node answers; by all clocks a minute, a day, 30 days pass`, promise: 'all come, once, in order', units: Object.keys(ABSENCES) },
    async (cluster, browser, unit) => {
      const setClocks = (byMs: number): void => {
        for (const pid of cluster.pids) writeFileSync(`${cluster.at(pid).dataDir}.clock`, String(byMs))
      }
      const { findings } = await playAbsence(cluster, browser, QUEUED, ABSENCES[unit] ?? 0, setClocks)
      return { findings, figures: { faults: 1, acknowledged: QUEUED } }
    },
    { env: CLOCK_ENV },
  ))

faults.run()
