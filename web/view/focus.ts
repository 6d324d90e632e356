// Where the focus goes when the screen has changed under it.

/** Focuses the first match once the screen shows what was just done. */
export const focusSoon = (selector: string): void => {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(selector)?.focus())
}
