// A bounded number of places and who has them, by address. When all are taken, whoever has most gives one up for somebody who has fewer,
// so that nobody keeps the others out alone [COR3]. Refuses to know what a place is.

export interface Crowd<Member> {
  /**
   * Takes a member in. Returns whoever has to go for it: the oldest of the address with most members, or `member` itself when it is its
   * own address that has most; null while there is room.
   */
  add(member: Member, address: string): Member | null
  remove(member: Member): void
}

export const createCrowd = <Member>(placesMax: number): Crowd<Member> => {
  /** Oldest first. */
  const byAddress = new Map<string, Set<Member>>()
  const addressOf = new Map<Member, string>()

  const remove = (member: Member): void => {
    const address = addressOf.get(member)
    if (address === undefined) return
    addressOf.delete(member)
    const members = byAddress.get(address)
    members?.delete(member)
    if (members?.size === 0) byAddress.delete(address)
  }

  return {
    add: (member, address) => {
      const own = byAddress.get(address) ?? new Set<Member>()
      let victim: Member | null = null
      if (addressOf.size >= placesMax) {
        const [most] = [...byAddress.values()].sort((one, other) => other.size - one.size)
        victim = most === undefined || most.size <= own.size + 1 ? member : (most.values().next().value ?? member)
        if (victim === member) return member
        remove(victim)
      }
      byAddress.set(address, own.add(member))
      addressOf.set(member, address)
      return victim
    },
    remove
  }
}
