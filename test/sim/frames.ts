// Names what a frame between nodes says, for traps and traces.

import { decodePeerFrame, decodePeerMessage } from '../../crdt-schema/peer-wire.ts'

/** The types of the messages in a frame; what a relay carries counts as itself. */
export const describeFrame = (frame: Uint8Array): readonly string[] => {
  const messages = decodePeerFrame(frame)
  return messages.ok ? messages.value.flatMap(describeMessage) : ['bad-frame']
}

const describeMessage = (bytes: Uint8Array): readonly string[] => {
  const message = decodePeerMessage(bytes)
  if (!message.ok) return ['bad-message']
  return message.value.type === 'relay' ? describeMessage(message.value.message) : [message.value.type]
}
