// Yjs updates written byte by byte, as no Yjs program would: for the gate and those who attack it.

import { createEncoder, toUint8Array, writeAny, writeUint8, writeVarString, writeVarUint } from 'lib0/encoding'

/** A hand-made update: one list of structs per client, each given by a writer of its bytes; and deletes. */
export type StructWriter = (encoder: ReturnType<typeof createEncoder>) => void
export const handMade = (clients: readonly (readonly [client: number, clock: number, ...structs: StructWriter[]])[], deletes: readonly (readonly [number, ...[number, number][]])[] = []): Uint8Array => {
  const encoder = createEncoder()
  writeVarUint(encoder, clients.length)
  for (const [client, clock, ...structs] of clients) {
    for (const number of [structs.length, client, clock]) writeVarUint(encoder, number)
    for (const struct of structs) struct(encoder)
  }
  writeVarUint(encoder, deletes.length)
  for (const [client, ...ranges] of deletes) {
    for (const number of [client, ranges.length, ...ranges.flat()]) writeVarUint(encoder, number)
  }
  return toUint8Array(encoder)
}
export const valueAt = (root: string, key: string, value: unknown): StructWriter => encoder => {
  for (const number of [0x28, 1]) writeVarUint(encoder, number)
  for (const name of [root, key]) writeVarString(encoder, name)
  writeVarUint(encoder, 1)
  writeAny(encoder, value as never)
}
/** One struct of `count` values under a key, as long as that in clocks. */
export const longValueAt = (root: string, key: string, count: number): StructWriter => encoder => {
  for (const number of [0x28, 1]) writeVarUint(encoder, number)
  for (const name of [root, key]) writeVarString(encoder, name)
  writeVarUint(encoder, count)
  for (let i = 0; i < count; i += 1) writeAny(encoder, 1)
}
export const stringAfter = (client: number, clock: number, text: string): StructWriter => encoder => {
  writeUint8(encoder, 0x84) // string content after an origin
  for (const number of [client, clock]) writeVarUint(encoder, number)
  writeVarString(encoder, text)
}
