// Message text with its links. Text is only ever text: linkify gives tokens and each becomes a node, never HTML.
// Linkify is large (it knows all top-level domains), so it comes after the page; until then links are plain text.

import { signal } from '@preact/signals'
import type { tokenize as Tokenize } from 'linkifyjs'

const tokenize = signal<typeof Tokenize | null>(null)
/** Most texts have nothing that could be a link; for those there is nothing to load. */
const MAYBE_LINK = /[\w-]\.\w|:\/\/|@/
const SAFE = /^(https?|mailto):/i

const loadLinkify = async (): Promise<void> => {
  tokenize.value = (await import('linkifyjs')).tokenize
}

export const LinkedText = ({ text }: { text: string }) => {
  if (!MAYBE_LINK.test(text)) return <>{text}</>
  if (tokenize.value === null) {
    void loadLinkify()
    return <>{text}</>
  }
  return (
    <>
      {tokenize.value(text).map((token, place) => {
        const href = token.isLink ? token.toHref('https') : ''
        if (!SAFE.test(href)) return token.toString()
        return (
          <a key={place} href={href} target="_blank" rel="noopener noreferrer">
            {token.toString()}
          </a>
        )
      })}
    </>
  )
}
