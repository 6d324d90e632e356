// Whether a directory is ours to open [STO5]: decided from a small file beside LevelDB's own, before LevelDB touches anything.
// So a directory of something else and one of a newer version are refused without a byte changed. And how one that is ours and damaged
// gets out of the way; whether it may is not decided here.

import { existsSync } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, readdir, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type NodeId, parseNodeId } from '../../crdt-schema/ids.ts'
import { StoreRefused } from '../core/ports.ts'
import { isCorruption } from './level-rows.ts'

const MARK = 'STARLING'
const FORMAT = 1
/** Beside the mark, in a directory that joined without a pid. */
const NODE_ID = 'NODE-ID'
/** Left by a run that LevelDB ended, for the next start. */
const DAMAGED = 'DAMAGED'
/** What a new file system brings along. */
const HARMLESS = new Set(['lost+found', `${MARK}.new`])

/** What is done about the word of an earlier run that the directory is damaged: it counts, or what still opens is to be opened. */
export type Damage = 'refused' | 'opened'

/** Makes the directory ours if it is empty or missing, checks that it is otherwise. Rejects with StoreRefused. */
export const claimDirectory = async (directory: string, damage: Damage): Promise<void> => {
  const names = await listOrMake(directory)
  if (names.includes(MARK)) return checkMark(directory, names, damage)
  if (names.some((name) => !HARMLESS.has(name))) {
    throw new StoreRefused('foreign', `${directory} is not empty and not a Starling data directory. Nothing was changed. Choose another with --data-dir.`)
  }
  await writeMark(directory)
}

const listOrMake = async (directory: string): Promise<string[]> => {
  try {
    await mkdir(directory, { recursive: true })
    return await readdir(directory)
  } catch (error) {
    throw unreadable(directory, error)
  }
}

const checkMark = async (directory: string, names: readonly string[], damage: Damage): Promise<void> => {
  const format = await readFormat(directory)
  if (format > FORMAT) {
    throw new StoreRefused('newer', `${directory} was written by a newer Starling (format ${format}, this one knows ${FORMAT}). Nothing was changed. Start the newer version.`)
  }
  // LevelDB would silently begin an empty database where its CURRENT is missing.
  if (!names.includes('CURRENT') && names.some((name) => /\.(ldb|sst|log)$/.test(name))) {
    throw damaged(directory, "LevelDB's file CURRENT is lost")
  }
  if (names.includes(DAMAGED) && damage === 'refused') throw damaged(directory, (await readFile(join(directory, DAMAGED), 'utf8').catch(() => '')).trim())
}

/**
 * Leaves word that LevelDB met damage while it ran. It then takes no more writes, and would come to the same place again in
 * every run: by itself the directory never gets well.
 */
export const markDamaged = async (directory: string, what: string): Promise<void> => {
  await withFile(join(directory, DAMAGED), 'w', async (file) => {
    await file.writeFile(`${what}\n`)
    await file.sync()
  })
}

const readFormat = async (directory: string): Promise<number> => {
  try {
    const mark: unknown = JSON.parse(await readFile(join(directory, MARK), 'utf8'))
    if (typeof mark === 'object' && mark !== null && 'format' in mark && Number.isInteger(mark.format)) return Number(mark.format)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw unreadable(directory, error)
  }
  throw new StoreRefused('unreadable', `${join(directory, MARK)} is damaged, so the format of the data is unknown. Restore that file ({"format":${FORMAT}}) if the data is of this version, or move the directory away.`)
}

const writeMark = (directory: string): Promise<void> => writeWhole(directory, MARK, `${JSON.stringify({ format: FORMAT })}\n`)

/**
 * The id under which an empty directory of ours asks to be a member, from `fresh` on: asking again, after a crash or a lost answer, is
 * asking for the same [REP7].
 */
export const keepNodeId = async (directory: string, fresh: NodeId): Promise<NodeId> => {
  const kept = parseNodeId((await readFile(join(directory, NODE_ID), 'utf8').catch(() => '')).trim())
  if (kept !== null) return kept
  await writeWhole(directory, NODE_ID, `${fresh}\n`)
  return fresh
}

/** Whole or not at all: a crash leaves either no file of that name or a good one. */
const writeWhole = async (directory: string, name: string, content: string): Promise<void> => {
  try {
    const fresh = join(directory, `${name}.new`)
    await withFile(fresh, 'w', async (file) => {
      await file.writeFile(content)
      await file.sync()
    })
    await rename(fresh, join(directory, name))
    if (process.platform !== 'win32') await withFile(directory, 'r', (file) => file.sync())
  } catch (error) {
    throw unreadable(directory, error)
  }
}

const withFile = async (path: string, flags: string, use: (file: FileHandle) => Promise<void>): Promise<void> => {
  const file = await open(path, flags)
  try {
    await use(file)
  } finally {
    await file.close()
  }
}

/** What LevelDB or the file system said, as a refusal that a person can act on; a bug stays what it is. */
export const toRefusal = (directory: string, error: unknown): unknown => {
  let isFromDisk = false
  let isCorrupt = isCorruption(error)
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!('code' in cause)) continue
    isFromDisk = true
    isCorrupt ||= cause.code === 'LEVEL_IO_ERROR' && LOST_MANIFEST.test(cause.message)
    if (cause.code === 'LEVEL_LOCKED') {
      return new StoreRefused('locked', `Another process has ${directory} open. Stop it, or give this node its own directory with --data-dir.`)
    }
  }
  if (!isFromDisk || error instanceof StoreRefused) return error
  return isCorrupt ? damaged(directory, causesOf(error)) : unreadable(directory, error)
}

/** What LevelDB says when CURRENT leads to a file that is not there: an I/O error, like that of a failing disk, but for its text. */
const LOST_MANIFEST = /MANIFEST-\d+: No such file/

const causesOf = (error: unknown): string => {
  const causes: string[] = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) causes.push(cause.message)
  return causes.join(': ')
}

const damaged = (directory: string, what: string): StoreRefused =>
  new StoreRefused('damaged', `${directory} is damaged (${what}). Move the directory away and start again: the node fetches its data from the others.`)

const unreadable = (directory: string, error: unknown): StoreRefused =>
  new StoreRefused('unreadable', `${directory} cannot be opened: ${causesOf(error)}. If the disk is sound, move the directory away and start again: the node fetches its data from the others.`)

// ---- moving aside

const ASIDE = '.aside-'

/** Gives a directory another name, with the time, and returns it. Nothing of it is deleted, now or later [STO5]. */
export const moveAside = async (directory: string, nowMs: number): Promise<string> => {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  for (let number = 1; ; number++) {
    const target = `${directory}${ASIDE}${stamp}${number === 1 ? '' : `-${number}`}`
    if (existsSync(target)) continue
    try {
      await rename(directory, target)
      if (process.platform !== 'win32') await withFile(dirname(directory), 'r', (file) => file.sync())
    } catch (error) {
      throw unreadable(directory, error)
    }
    return target
  }
}

/** Whether a directory of this name was moved aside and is still there: what it held may be on other nodes alone. */
export const hasAside = async (directory: string): Promise<boolean> => {
  const names = await readdir(dirname(directory)).catch(() => []) // the first start makes it
  return names.some((name) => name.startsWith(`${basename(directory)}${ASIDE}`))
}
