// Whom a call means: names and ids as programs write them become pairs of account id and shown name.
// Keeps [DEL3]: the account is fixed as soon as the name is known; one that nobody has stays a name.

import type { RecipientJson } from '../../crdt-schema/api-shapes.ts'
import { parseName } from '../../crdt-schema/ids.ts'
import { type Person, personToRecipient } from '../../crdt-schema/inbox.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import type { Desk } from './desk.ts'

/** The people meant, each once, or null if one is neither an account nor a possible name. */
export const findPeople = (desk: Desk, recipients: readonly RecipientJson[]): Person[] | null => {
  const people = new Map<string, Person>()
  for (const recipient of recipients) {
    const person = findPerson(desk, recipient)
    if (person === null) return null
    const key = personToRecipient(person)
    if (!people.has(key)) people.set(key, person)
  }
  return [...people.values()]
}

const findPerson = (desk: Desk, recipient: RecipientJson): Person | null => {
  if (typeof recipient === 'string') return findByName(desk, recipient)
  if (recipient.id === '') return recipient.name === undefined ? null : findByName(desk, recipient.name)
  const name = recipient.name ?? desk.directory.nameOf(recipient.id) ?? ''
  return { id: recipient.id, name: name.slice(0, LIMITS.nameCharactersMax * 2) }
}

const findByName = (desk: Desk, typed: string): Person | null => {
  const id = desk.directory.accountShownAs(typed)
  if (id !== null) return { id, name: desk.directory.nameOf(id) ?? typed }
  const name = parseName(typed)
  return name === null ? null : { id: '', name }
}
