// Images of a data directory as a loss of power might leave it: copied while the node writes, with the end of the newest
// file torn off or blank, with files of different moments side by side, or with nothing but the kill. And what a bad disk
// or a careless hand does to a directory that nobody uses: bits flipped, bytes overwritten, files cut short or gone.

import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../sim/random.ts'

export const DAMAGES = ['killed', 'copied while it writes', 'log torn', 'log end blank', 'table torn', 'table end blank', 'manifest torn', 'files of two moments'] as const
/** FAULTS P13: done to the files of a node that is stopped. */
export const HARMS = ['a bit flipped', 'bits flipped in every file', 'bytes overwritten', 'a file cut short', 'a file emptied', 'a file gone', 'a file twice'] as const
export type Damage = (typeof DAMAGES)[number] | (typeof HARMS)[number]

/** LevelDB's own names; its lock and its text log say nothing of the data. */
const isData = (name: string): boolean => name !== 'LOCK' && !/^LOG(\.old)?$/.test(name)
const TORN_BYTES_MAX = 64 * 1024
const PAGE_BYTES = 4_096

/** Copies a directory file by file while its node runs; a file that goes meanwhile is left out, as it might be on the disk. */
export const copyWhileWritten = (from: string, to: string): void => {
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(from)) {
    try {
      cpSync(join(from, name), join(to, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

/**
 * Damages a stopped node's directory. `earlier`: a copy of the same directory from some moment before. Resolves to what
 * was done, in words, or null if there is nothing yet that could be damaged in this way.
 */
export const damageDirectory = (directory: string, damage: Damage, earlier: string, random: Random): string | null => {
  switch (damage) {
    case 'killed':
      return damage
    case 'copied while it writes':
      rmSync(directory, { recursive: true, force: true })
      cpSync(earlier, directory, { recursive: true })
      return damage
    case 'log torn':
      return tear(directory, /\.log$/, 'torn', random)
    case 'log end blank':
      return tear(directory, /\.log$/, 'blank', random)
    case 'table torn':
      return tear(directory, /\.ldb$/, 'torn', random)
    case 'table end blank':
      return tear(directory, /\.ldb$/, 'blank', random)
    case 'manifest torn':
      return tear(directory, /^MANIFEST-/, 'torn', random)
    case 'files of two moments':
      return mix(directory, earlier, random)
    case 'a bit flipped':
      return change(directory, random, flipBits(1))
    case 'bits flipped in every file':
      return filesOf(directory).map((name) => changeFile(directory, name, random, flipBits(3))).join(', ')
    case 'bytes overwritten':
      return change(directory, random, (bytes) => {
        const from = random.integer(0, bytes.length - 1)
        const until = Math.min(bytes.length, from + random.integer(1, PAGE_BYTES))
        bytes.set(random.bytes(until - from), from)
        return bytes
      })
    case 'a file cut short':
      return change(directory, random, (bytes) => bytes.slice(0, random.integer(0, bytes.length - 1)))
    case 'a file emptied':
      return change(directory, random, () => new Uint8Array())
    case 'a file gone': {
      const name = random.pick(filesOf(directory))
      rmSync(join(directory, name))
      return `${name} gone`
    }
    case 'a file twice': {
      const [name = '', other = ''] = random.shuffle(filesOf(directory))
      cpSync(join(directory, name), join(directory, other))
      return `${name} in place of ${other}`
    }
  }
}

/** What may be harmed: all of LevelDB's data and the node's own mark; the mark is what makes a directory ours, so it stays. */
const filesOf = (directory: string): readonly string[] => readdirSync(directory).filter((name) => isData(name) && name !== 'STARLING' && statSync(join(directory, name)).size > 0)

const flipBits = (count: number) => (bytes: Uint8Array, random: Random): Uint8Array => {
  for (let times = 0; times < count; times++) {
    const at = random.integer(0, bytes.length - 1)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(0, 7))
  }
  return bytes
}

type Harm = (bytes: Uint8Array, random: Random) => Uint8Array

const change = (directory: string, random: Random, harm: Harm): string => changeFile(directory, random.pick(filesOf(directory)), random, harm)

const changeFile = (directory: string, name: string, random: Random, harm: Harm): string => {
  const path = join(directory, name)
  const before = readFileSync(path)
  const after = harm(Uint8Array.from(before), random)
  writeFileSync(path, after)
  return `${name} of ${before.length} bytes harmed${after.length === before.length ? '' : `, ${after.length} left`}`
}

/** The newest file of a kind loses up to 64 KiB of its end, or has zeros there: its length reached the disk, its bytes did not. */
const tear = (directory: string, kind: RegExp, how: 'torn' | 'blank', random: Random): string | null => {
  const name = readdirSync(directory).filter((one) => kind.test(one) && statSync(join(directory, one)).size > 0).sort().at(-1)
  if (name === undefined) return null
  const path = join(directory, name)
  const { size } = statSync(path)
  // Evenly over magnitudes: a few bytes as often as many pages.
  const lost = Math.max(1, Math.min(size, Math.floor(TORN_BYTES_MAX ** random.next())))
  if (how === 'torn') truncateSync(path, size - lost)
  else {
    const bytes = readFileSync(path)
    bytes.fill(0, Math.max(0, Math.floor((size - lost) / PAGE_BYTES) * PAGE_BYTES))
    writeFileSync(path, bytes)
  }
  return `${name} of ${size} bytes: the last ${lost} ${how === 'torn' ? 'gone' : 'and up to a page before them blank'}`
}

/** Each file as it is, as it was, gone though it is new, or there though it was deleted: what was renamed, made and deleted since need not be on the disk. */
const mix = (directory: string, earlier: string, random: Random): string => {
  const now = readdirSync(directory).filter(isData)
  const before = readdirSync(earlier).filter(isData)
  const done: string[] = []
  for (const name of new Set([...now, ...before])) {
    if (!random.chance(0.5)) continue
    if (!before.includes(name)) rmSync(join(directory, name))
    else cpSync(join(earlier, name), join(directory, name))
    done.push(`${name} ${before.includes(name) ? 'as before' : 'gone'}`)
  }
  return done.length === 0 ? 'nothing' : done.join(', ')
}
