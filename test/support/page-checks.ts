// What every screen must keep, in both themes, wide and narrow: axe finds nothing, nothing is wider than the window.
// With STARLING_SHOTS=DIR each look is also kept there as a picture, for a person to look at.

import axe from 'axe-core'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import * as assert from 'uvu/assert'

const SHOTS = process.env['STARLING_SHOTS'] ?? ''
const THEMES = ['light', 'dark'] as const
const WIDTHS = [1280, 390] as const

/** What axe finds wrong, as text: rule and elements. Its script is run in the page, past the page's own policy. */
export const findFaults = async (page: Page): Promise<string[]> => {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }).axe.run(),
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`)
}

/** How many px the page is wider than its window; 0 or less when nothing scrolls sideways. */
export const overflowOf = (page: Page): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth - innerWidth)

/** What only shows under the pointer fades in on a narrow page: colours count when they have stopped changing. */
const settle = (page: Page): Promise<unknown> =>
  page.evaluate(() => Promise.all(document.getAnimations().map(async ({ finished }) => finished.catch(() => null))))

/** Checks what the page shows now as `name`, in both themes and widths; leaves it light and wide. */
export const checkLook = async (page: Page, name: string): Promise<void> => {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 800 })
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme })
      await settle(page)
      if (SHOTS !== '') {
        mkdirSync(SHOTS, { recursive: true })
        await page.screenshot({ path: join(SHOTS, `${name}-${width}-${colorScheme}.png`) })
      }
      const look = `${name}, ${colorScheme}, ${width} px`
      assert.equal(await findFaults(page), [], look)
      const overflow = await overflowOf(page)
      assert.ok(overflow <= 0, `${look} is ${overflow} px too wide`)
    }
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1280, height: 800 })
}
