// A short share of the faults of the browser (FAULTS C1 to C11): page-faults.long.test.ts has their counts.
// deadline: 280 s

import type { Browser } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV } from '../support/asking.ts'
import { launchBrowser } from '../support/browser.ts'
import { type Cluster, type ClusterOptions, startCluster } from '../support/cluster.ts'
import { SENDING_STEPS, playBrowserKills, playClonedProfile, playEndedSession, playLaggingNode, playLostAnswers, playTabs, playWrongClock } from '../support/page-faults.ts'

const DAY_MS = 86_400_000

const test = suite<{ browser: Browser }>('page-faults')

test.before(async (context) => {
  context.browser = await launchBrowser()
})

test.after(async ({ browser }) => {
  await browser.close()
})

/** Plays on a cluster of its own, since the same people sign up in each. */
const findingsOn = async (play: (cluster: Cluster) => Promise<{ readonly findings: string[] }>, options: ClusterOptions = {}): Promise<string[]> => {
  const cluster = await startCluster({ env: TEST_ENV, ...options })
  try {
    return (await play(cluster)).findings
  } finally {
    await cluster.close()
  }
}

test('C1: the browser is killed at each step of sending', async () => {
  assert.equal(await findingsOn((cluster) => playBrowserKills(cluster, SENDING_STEPS)), [])
})

test('C2: a node stores a message and dies before the page hears so', async ({ browser }) => {
  assert.equal(await findingsOn((cluster) => playLostAnswers(cluster, browser, 2)), [])
})

test('C6: two tabs send one draft at once; the tab that filled the outbox closes before there is a node', async ({ browser }) => {
  assert.equal(await findingsOn((cluster) => playTabs(cluster, browser, 2, 'tabs')), [])
})

test('C7: the clock of the device is a day ahead', async ({ browser }) => {
  assert.equal(await findingsOn((cluster) => playWrongClock(cluster, browser, 2, DAY_MS)), [])
})

test('C8: the session ends while the outbox is full', async ({ browser }) => {
  assert.equal(await findingsOn((cluster) => playEndedSession(cluster, browser, 3)), [])
})

test('C9: a profile with a full outbox is copied, and both go on', async () => {
  assert.equal(await findingsOn((cluster) => playClonedProfile(cluster, 3)), [])
})

test('C11: the page moves to a node that lags, and never counts back', async ({ browser }) => {
  assert.equal(await findingsOn((cluster) => playLaggingNode(cluster, browser, 5), { proxied: true }), [])
})

test.run()
