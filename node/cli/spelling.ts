// What a person may have meant by a word that is not known.

/** " Did you mean --port?", or nothing when no word is near. */
export const didYouMean = (word: string, known: readonly string[], prefix: string): string => {
  const [best] = known.map(candidate => ({ candidate, edits: editDistance(word, candidate) })).sort((a, b) => a.edits - b.edits)
  return best !== undefined && best.edits <= Math.max(2, Math.floor(word.length / 3)) ? ` Did you mean ${prefix}${best.candidate}?` : ''
}

/** Edits from one word to the other; swapped neighbours count as one (R. Wagner and R. Lowrance, optimal string alignment). */
const editDistance = (a: string, b: string): number => {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i])
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY
  for (let j = 0; j <= b.length; j++) rows[0]?.splice(j, 1, j)
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const edits = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (isSame ? 0 : 1), isSwap ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY)
      rows[i]?.splice(j, 1, edits)
    }
  }
  return at(a.length, b.length)
}
