// Randomness from one seed: every choice of a run comes from here, so the seed is the run.
// Streams with different labels never disturb each other: adding a person does not move the network's dice.

export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number
  chance(probability: number): boolean
  pick<Item>(items: readonly Item[]): Item
  shuffle<Item>(items: readonly Item[]): Item[]
  bytes(count: number): Uint8Array
  /** Another stream, fixed by this one's seed and the label. */
  fork(label: string): Random
}

/** sfc32 (C. Doty-Humphrey, PractRand) started from four hashes of the seed text. */
export const createRandom = (seed: string): Random => {
  let [a, b, c, counter] = hashSeed(seed)
  const uint32 = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum | 0
    return sum >>> 0
  }
  for (let i = 0; i < 12; i++) uint32()

  const next = (): number => uint32() / 2 ** 32
  const integer = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1))
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[integer(0, items.length - 1)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }
  return {
    next,
    integer,
    pick,
    chance: probability => next() < probability,
    shuffle: items => items.map(item => ({ item, order: next() })).sort((x, y) => x.order - y.order).map(({ item }) => item),
    bytes: count => Uint8Array.from({ length: count }, () => uint32() & 255),
    fork: label => createRandom(`${seed}/${label}`)
  }
}

/** Four well mixed 32-bit numbers of a text: FNV-1a with four bases and a final avalanche (MurmurHash3's). */
const hashSeed = (text: string): [number, number, number, number] => {
  const mixed = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35].map(basis => {
    let hash = basis
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) | 0
  })
  const [a = 0, b = 0, c = 0, d = 0] = mixed
  return [a, b, c, d]
}
