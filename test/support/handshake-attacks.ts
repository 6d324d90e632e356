// FAULTS X8, in great number: an attacker without the secret between, beside and instead of two ends of a handshake. He
// has heard earlier handshakes, opens as many as he likes, and sends what he heard, mangled or as it was, in any order.

import type { NodeId, Pid } from '../../crdt-schema/ids.ts'
import { type Claim, type Handshake, type HandshakeStep, type Role, createHandshake } from '../../node/adapters/ws-handshake.ts'
import { type Random, createRandom } from '../sim/random.ts'
import { mangle } from './mangling.ts'
import type { UnitResult } from './programme.ts'

const utf8 = new TextEncoder()
const SECRETS = [utf8.encode('the secret of this cluster'), utf8.encode('the secret that came before')]

const claimOf = (pid: number): Claim => ({ protocol: 1, frames: 2, clusterId: 'c'.repeat(32), pid: pid as Pid, nodeId: String(pid).repeat(32) as NodeId, boot: 3, url: `http://127.0.0.1:400${pid}`, version: '1.0.0', channel: '' })
const endOf = (role: Role, pid: number, random: Random): Handshake =>
  createHandshake({ role, claim: claimOf(pid), secrets: SECRETS, nonce: random.bytes(32), expectedPid: role === 'dialer' ? (1 - pid) as Pid : null, mustShareChannel: false })

/** All texts of an honest handshake. */
const overhear = (random: Random): string[] => {
  const [dialer, acceptor] = [endOf('dialer', 1, random), endOf('acceptor', 0, random)]
  const heard: string[] = []
  const queue: (readonly [to: Handshake, text: string])[] = dialer.opening.map((text) => [acceptor, text])
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [to, text] = next
    heard.push(text)
    const step = to.receive(text)
    if (step.status !== 'refused') queue.push(...step.send.map((one) => [to === dialer ? acceptor : dialer, one] as const))
  }
  return heard
}

const ODD_FIELDS = ['null', '[]', '{}', '-1', '1e99', '""', '"x"', 'true', '[[]]', `"${'0'.repeat(64)}"`] as const

/** A text with one of its fields replaced, with its bytes mangled, or as it is. */
const distort = (text: string, random: Random, heard: readonly string[]): string => {
  const way = random.next()
  if (way < 0.35) return text
  if (way < 0.65) {
    const bytes = utf8.encode(text)
    return new TextDecoder().decode(mangle(bytes, random, [bytes, utf8.encode(random.pick(heard))]))
  }
  const fields = [...text.matchAll(/"(\w+)":("[^"]*"|\[[^\]]*\]|[\w.]+)/g)]
  const field = fields[random.integer(0, Math.max(0, fields.length - 1))]
  return field === undefined ? text : text.replace(field[0], `"${field[1]}":${random.pick(ODD_FIELDS)}`)
}

/** Plays so many ends against the attacker. Proven only counts as broken if he did more than carry texts of two honest ends. */
export const attackHandshakes = (seed: string, count: number): UnitResult => {
  const random = createRandom(`X8/${seed}`)
  const heard = [overhear(random), overhear(random), overhear(random)].flat()
  const findings: string[] = []
  let refused = 0
  let open = 0
  for (let played = 0; played < count && findings.length < 20; played++) {
    const role = random.pick<Role>(['dialer', 'acceptor'])
    const target = endOf(role, role === 'dialer' ? 1 : 0, random)
    // Other ends of the same cluster that the attacker may ask for answers; never one that the target would be proven to.
    const helper = endOf(role, role === 'dialer' ? 1 : 0, random)
    const known = [...heard, ...target.opening, ...helper.opening]
    let step: HandshakeStep = { status: 'waiting', send: [] }
    let helperIsOver = false
    try {
      for (let turn = 0; turn < 6 && step.status === 'waiting'; turn++) {
        if (!helperIsOver && random.chance(0.4)) {
          const answer = helper.receive(distort(random.pick(known), random, known))
          helperIsOver = answer.status !== 'waiting'
          if (answer.status === 'waiting') known.push(...answer.send)
          if (answer.status === 'proven') findings.push(`the helper of ${seed}/${played} took the attacker for a peer`)
        }
        step = target.receive(distort(random.pick(known), random, known))
        if (step.status === 'waiting') known.push(...step.send)
      }
    } catch (error) {
      findings.push(`${seed}/${played} threw ${(error as Error).message}`)
      continue
    }
    if (step.status === 'proven') findings.push(`${seed}/${played}: a ${role} took the attacker for node ${step.peer.pid}`)
    if (step.status === 'refused') refused += 1
    else open += 1
  }
  return { findings, figures: { faults: count, refused, 'still waiting for a proof': open } }
}
