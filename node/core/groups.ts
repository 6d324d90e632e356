// Several rows under one key, nearly always just one: a map that keeps a row as it is and makes a list only where there are more.
// For indexes over all accounts and documents, of which there are hundreds of thousands: a map in a map would cost more than the rows.

/** Rows by key; no row may be an array. Two rows under one key that `isSame` calls the same are one: the later takes its place. */
export interface Groups<Key, Row> {
  of(key: Key): readonly Row[]
  has(key: Key): boolean
  set(key: Key, row: Row): void
  delete(key: Key, row: Row): void
  deleteAll(key: Key): void
  keys(): IterableIterator<Key>
  readonly size: number
}

export const createGroups = <Key, Row extends object | string>(isSame: (a: Row, b: Row) => boolean): Groups<Key, Row> => {
  const groups = new Map<Key, Row | Row[]>()
  const listOf = (group: Row | Row[] | undefined): readonly Row[] => (group === undefined ? [] : Array.isArray(group) ? group : [group])
  return {
    of: (key) => listOf(groups.get(key)),
    has: (key) => groups.has(key),
    set: (key, row) => {
      const group = groups.get(key)
      if (group === undefined) groups.set(key, row)
      else if (Array.isArray(group)) {
        const at = group.findIndex((other) => isSame(other, row))
        if (at === -1) group.push(row)
        else group[at] = row
      } else groups.set(key, isSame(group, row) ? row : [group, row])
    },
    delete: (key, row) => {
      const rest = listOf(groups.get(key)).filter((other) => !isSame(other, row))
      const [only] = rest
      if (only === undefined) groups.delete(key)
      else groups.set(key, rest.length === 1 ? only : rest)
    },
    deleteAll: (key) => void groups.delete(key),
    keys: () => groups.keys(),
    get size() {
      return groups.size
    }
  }
}
